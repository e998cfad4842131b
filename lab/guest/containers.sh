#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab, or, with "here" as its argument, as root in a booted Debian: groups
# for containers of crun, runc and podman. No registry is reachable: a root file system is a
# busybox. lab/containers starts this; /mnt is build/debian then. KTAP.

if [ "${1-}" = here ]; then
	. "$(dirname "$0")/debian.sh"
	hook=$(command -v bc-oci-hook)
else
	. /bc/debian.sh
	if [ "${INSIDE-}" != 1 ]; then
		debian_root bare.tar || exit 1
		debian_run
		exit
	fi
	hook=/bc/bc-oci-hook
fi

work=/run/bc-containers
patience=300

# --- what there is to run ------------------------------------------------------------------

make_leak()
{
	cat >$work/leak.c <<'EOF'
/* leak WHAT [N]: take as many as there are, or N; say how many, and why no more; stay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int one(const char *what, int fd, int i)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1 };
	char name[32];

	if (!strcmp(what, "files"))
		return open("/", O_RDONLY);
	if (!strcmp(what, "ptys"))
		return open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (!strcmp(what, "locks"))
		return fcntl(fd, F_SETLK, &lock);
	snprintf(name, sizeof(name), "/tmp/%d", i);
	return mkdir(name, 0700) && errno != EEXIST ? -1 : inotify_add_watch(fd, name, IN_CREATE);
}

int main(int argc, char **argv)
{
	struct rlimit lim;
	int fd, i, max = argc > 2 ? atoi(argv[2]) : 5000;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	fd = strcmp(argv[1], "locks") ? inotify_init() : open("/tmp/f", O_RDWR | O_CREAT, 0600);
	for (i = 0; i < max && one(argv[1], fd, i) >= 0; i++)
		;
	printf("%s %d %s\n", argv[1], i, i < max ? strerror(errno) : "all");
	fflush(stdout);
	if (i < max)
		pause();
	return 0;
}
EOF
	gcc -O2 -static -o $work/rootfs/bin/leak $work/leak.c
}

make_rootfs()
{
	mkdir -p $work/rootfs/bin $work/rootfs/proc $work/rootfs/tmp $work/rootfs/dev \
		$work/rootfs/sys $work/rootfs/etc $work/rootfs/run $work/rootfs/var
	cp "$(command -v busybox)" $work/rootfs/bin/busybox || return 1
	for c in sh cat sleep echo; do
		ln -sf busybox $work/rootfs/bin/$c
	done
	make_leak
}

# bundle NAME SCRIPT "ANNOTATION": VALUE, ...: a bundle with our hooks
bundle()
{
	mkdir -p $work/$1
	cat >$work/$1/config.json <<EOF
{ "ociVersion": "1.0.2", "root": { "path": "$work/rootfs" },
  "process": { "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": [ "PATH=/bin" ],
	"args": [ "/bin/sh", "-c", "$2" ] },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" } ],
  "linux": { "namespaces": [ { "type": "pid" }, { "type": "mount" }, { "type": "ipc" } ] },
  "annotations": { $3 },
  "hooks": {
	"createRuntime": [ { "path": "$hook", "args": [ "bc-oci-hook", "createRuntime" ] } ],
	"poststop": [ { "path": "$hook", "args": [ "bc-oci-hook", "poststop" ] } ] } }
EOF
}

# --- what is true of a group ---------------------------------------------------------------

# No group, no record.
gone()
{
	[ ! -e $bc/containers/$1 ] && [ ! -e /run/bc-oci/$1 ]
}

# in_group GROUP FILE: the program has said that it is there
in_group()
{
	grep -q "^0:[^:]*:$1\$" $2 || { sed 's/^/# /' $2; return 1; }
}

show_out()
{
	sed 's/^/#   /' $work/out | head -n 5
	return 1
}

# --- bundles -------------------------------------------------------------------------------

# run RUNTIME ID: to its end
run()
{
	timeout -k 5 $patience $1 run -b $work/$2 $2 </dev/null >$work/out 2>&1
}

refuses()
{
	! run $1 $2 && gone $2 && ! $1 state $2 >/dev/null 2>&1 && grep -q -- "$3" $work/out ||
		show_out
}

bundles()
{
	local r=$1 id status=0

	say "$r"
	id=$r-a
	bundle $id 'cat /proc/self/bc /proc/1/limits; exit 7' '"org.beancounters.numfiles": "50:60"'
	run $r $id
	[ $? = 7 ] && in_group /containers/$id $work/out
	result $? "$r: the program's first instruction is in the group"
	gone $id
	result $? "$r: nothing is left when it has ended"

	id=$r-b
	# What "exec" needs of privvmpages is the runtime's as well, and runc is written in Go.
	bundle $id 'sleep 100000' '"org.beancounters.profile": "small",
		"org.beancounters.numfiles": "50:60", "org.beancounters.privvmpages": "1G"'
	timeout -k 5 $patience $r run -d -b $work/$id $id </dev/null >$work/out 2>&1 || status=1
	[ "$(bcctl get containers/$id numfiles.barrier):$(bcctl get containers/$id numfiles.limit)" = 50:60 ] &&
		[ "$(bcctl get containers/$id numtasks.limit)" = 96 ] || status=1
	result $status "$r: limits of a profile and of its own"
	within 60 timeout -k 5 $patience $work/rt/$r exec $id cat /proc/self/bc >$work/out 2>&1
	if timeout -k 5 $patience $work/rt/$r exec $id cat /proc/self/bc >$work/out 2>&1; then
		in_group /containers/$id $work/out
	else
		show_out
	fi
	result $? "$r exec: in the group"
	echo "#   privvmpages: $(cat $bc/containers/$id/privvmpages/maxheld) at most," \
		"numfiles: $(cat $bc/containers/$id/numfiles/maxheld)"
	kill -9 $(cat $bc/containers/$id/tasks)
	within 60 $r delete $id && gone $id
	result $? "$r: nothing is left when it was killed"

	id=$r-c
	bundle $id 'echo started' '"org.beancounters.numfile": "50"'
	refuses $r $id . && ! grep -q started $work/out
	result $? "$r: no container for a resource that does not exist"
	bundle $id 'echo started' '"org.beancounters.numtasks": "0"'
	refuses $r $id . && ! grep -q started $work/out
	result $? "$r: no container for a limit below what is used"
	bundle $id 'echo started' '"org.beancounters.numtasks": "50"'
	bcctl create -p containers/$id/below
	! run $r $id && [ -d $bc/containers/$id/below ] && ! grep -q started $work/out
	result $? "$r: no container where somebody else's group is, which stays"
	bcctl delete -r containers/$id
	umount /sys/kernel/config && refuses $r $id .
	status=$?
	mount -t configfs none /sys/kernel/config
	result $status "$r: no container without configfs"

	id=$r-outer
	bundle $id 'sleep 100000' '"org.beancounters.numfiles": "200"'
	bundle $r-inner 'cat /proc/self/bc' '"org.beancounters.numfiles": "100"'
	timeout -k 5 $patience $r run -d -b $work/$id $id </dev/null >$work/out 2>&1
	timeout -k 5 $patience bcctl exec containers/$id -- $r run -b $work/$r-inner $r-inner \
		</dev/null >$work/out 2>&1 && in_group /containers/$id/containers/$r-inner $work/out
	result $? "$r: one in another is in the limits of both"
	$r delete -f $id >$work/out 2>&1
	within 60 gone $id
	result $? "$r: nothing is left of both"
}

# --- podman --------------------------------------------------------------------------------

setup_podman()
{
	mkdir -p /etc/containers/oci/hooks.d
	cat >/etc/containers/oci/hooks.d/bc-oci-hook.json <<EOF
{ "version": "1.0.0", "hook": { "path": "$hook", "args": [ "bc-oci-hook" ], "timeout": 60 },
  "when": { "annotations": { "^org\\\\.beancounters\\\\.": ".*" } },
  "stages": [ "createRuntime", "poststop" ] }
EOF
	cat >$work/containers.conf <<EOF
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
hooks_dir = [ "/etc/containers/oci/hooks.d" ]
[engine.runtimes]
crun = [ "$work/rt/crun" ]
EOF
	export CONTAINERS_CONF=$work/containers.conf
}

# pod COMMAND ARGUMENT...
pod()
{
	timeout -k 5 $patience podman --runtime crun --root $work/store --runroot $work/runroot \
		--storage-driver vfs "$@"
}

# pod_run NAME ANNOTATION... -- COMMAND...: in the background
pod_run()
{
	local name=$1 notes=
	shift
	while [ "$1" != -- ]; do
		notes="$notes --annotation org.beancounters.$1"
		shift
	done
	shift
	pod run -d --name $name --network none --log-driver none $notes --rootfs $work/rootfs:O "$@"
}

# leak KIND RESOURCE LIMIT N: a leak in one, and N of the same in the other
leak()
{
	local kind=$1 res=$2 status=0 mine=/containers/$leaky other=/containers/$neighbour

	pod exec -d leaky leak $kind >$work/out 2>&1 || show_out
	within $patience eval '[ "$(cat $bc$mine/$res/failcnt)" -gt 0 ]' || status=1
	[ "$(cat $bc$mine/$res/maxheld)" -le "$3" ] || status=1
	result $status "podman: a leak of $kind is over at the limit"
	pod exec neighbour leak $kind $4 >$work/out 2>&1
	grep -q "^$kind $4 all" $work/out && [ "$(cat $bc$other/$res/failcnt)" = 0 ] || show_out
	result $? "podman: the neighbour has its $kind all the same"
	# The next kind is to have room in numfiles and numtasks.
	kill -9 $(pgrep -x leak) 2>/dev/null
	within 60 eval '! pgrep -x leak'
}

run_podman()
{
	local status=0

	say "podman"
	setup_podman
	pod_run leaky numfiles=300 numwatches=20 numflock=20 numpty=4 -- sleep 100000 >$work/out 2>&1 ||
		{ show_out; status=1; }
	leaky=$(pod inspect -f '{{.Id}}' leaky)
	pod_run neighbour numfiles=300 numwatches=20 numflock=20 numpty=4 -- sleep 100000 \
		>$work/out 2>&1 || { show_out; status=1; }
	neighbour=$(pod inspect -f '{{.Id}}' neighbour)
	[ "$(cat $bc/containers/$leaky/numfiles/limit)" = 300 ] || status=1
	grep -q "^$(pod inspect -f '{{.State.Pid}}' leaky)\$" $bc/containers/$leaky/tasks || status=1
	result $status "podman run --annotation: in a group, with its limits"
	pod exec leaky cat /proc/self/bc >$work/out 2>&1 && in_group /containers/$leaky $work/out
	result $? "podman exec: in the group"

	leak files numfiles 300 50
	leak watches numwatches 20 10
	leak locks numflock 20 10
	leak ptys numpty 4 2
	ls / >/dev/null
	result $? "podman: all others can open files, too"

	pod restart -t 1 neighbour >$work/out 2>&1 &&
		[ "$(cat $bc/containers/$neighbour/numfiles/limit)" = 300 ] || show_out
	result $? "podman restart: a new group with the same limits"
	pod kill -s KILL neighbour >$work/out 2>&1
	within 60 gone $neighbour
	result $? "podman kill: nothing is left"
	pod rm -f -t 0 leaky neighbour >$work/out 2>&1
	within 60 gone $leaky
	result $? "podman rm -f: nothing is left"

	! pod_run bad numfiles=x -- sleep 100000 >$work/out 2>&1 &&
		[ "$(pod inspect -f '{{.State.Running}}' bad 2>/dev/null)" != true ]
	result $? "podman: no container for a bad annotation"
	pod rm -f bad >$work/out 2>&1
	[ -z "$(ls $bc/containers | grep -vxF "$(cat $bc/controllers | tr ' ' '\n')" |
		while read -r d; do [ ! -e $bc/containers/$d/tasks ] || echo $d; done)" ] &&
		[ -z "$(ls /run/bc-oci)" ]
	result $? "no group and no record is left of all that"
}

# --- a run ---------------------------------------------------------------------------------

cleanup()
{
	[ -z "${CONTAINERS_CONF-}" ] || pod rm -af -t 0 >/dev/null 2>&1
	for c in $(crun list -q 2>/dev/null); do crun delete -f $c 2>/dev/null; done
	for c in $(runc list -q 2>/dev/null); do runc delete -f $c 2>/dev/null; done
	rm -f /etc/containers/oci/hooks.d/bc-oci-hook.json
	rmdir $bc/containers 2>/dev/null
	umount -l $work 2>/dev/null
}

echo "TAP version 13"
echo "1..$((2 * 11 + 2 + 4 * 2 + 1 + 5))"
mkdir -p $work/rt
# overlayfs needs another file system than ramfs above.
mount -t tmpfs none $work && mkdir -p $work/rt || { echo "Bail out! no tmpfs"; exit 1; }
trap cleanup EXIT
ln -s $hook $work/rt/crun
ln -s $hook $work/rt/runc
make_rootfs || { echo "Bail out! no root file system"; exit 1; }
bundles crun
bundles runc
run_podman
exit $rc
