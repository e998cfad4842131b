#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: services of Debian, each in a group, and what they hold at most.
# lab/profiles starts this; /mnt is build/debian. Prints KTAP, and lines that lab/profiles
# takes out of it: "measured SERVICE RESOURCE MAXHELD".
#
#   profiles.sh "SERVICE ..." "PROFILE:SERVICE ..."
services=$1
claims=$2

. /bc/debian.sh

if [ "${INSIDE-}" != 1 ]; then
	debian_root rest.tar && cp -r /mnt/src $root/srv/src || exit 1
	debian_run "$services" "$claims"
	exit
fi

logged_in()
{
	[ "$(pgrep -c -u alice -x bash)" -ge "$1" ]
}

pg=$(echo /usr/lib/postgresql/*/bin)
pgdata=$(echo /var/lib/postgresql/*/main)
pgconf=$(echo /etc/postgresql/*/main)

# --- services: start in group $g, and a load from outside of it ----------------------

all_answered()
{
	[ "$(cat /tmp/login.* | grep -c /dev/pts/)" -ge "$1" ]
}

# logins PORT N: people who log in, look around and stay.
logins()
{
	local i=0
	while [ $i -lt "$2" ]; do
		i=$((i + 1))
		(
			echo "ls /usr/bin | wc -l; tty"
			sleep 100000
		) | ssh -tt -p "$1" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
			-o LogLevel=ERROR alice@127.0.0.1 >/tmp/login.$i 2>&1 &
		# sshd begins to turn people away when ten have not said who they are.
		[ $((i % 5)) != 0 ] || within 300 logged_in $i || return 1
	done
	within 300 logged_in "$2" && within 120 all_answered "$2" && return
	cat /tmp/login.1 /tmp/sshd.log 2>/dev/null | sed 's/^/#   /'
	return 1
}

# db_load CLIENTS N: each of them has N transactions, however long that takes here.
db_load()
{
	runuser -u postgres -- pgbench -h 127.0.0.1 -n -c "$1" -j 2 -t "$2" bench \
		>/tmp/pgbench 2>&1
	local rc=$?
	grep -E "^(number of (clients|trans|failed)|tps)" /tmp/pgbench | sed 's/^/#   /'
	[ $rc = 0 ] || tail -n 3 /tmp/pgbench | sed 's/^/#   /'
	[ $rc = 0 ] && grep -q "actually processed: $(($1 * $2))/" /tmp/pgbench
}

run_sshd()
{
	mkdir -p /run/sshd
	bcctl exec $g -- /usr/sbin/sshd -D -p 2222 -E /tmp/sshd.log -o LoginGraceTime=0 &
	within 60 listens 2222 && logins 2222 "$1"
}

run_nginx()
{
	start_nginx $g && web_load "$1" / ab -t 20 -n 1000000
}

run_postgres()
{
	mkdir -p /run/postgresql && chown postgres: /run/postgresql
	bcctl exec $g -- runuser -u postgres -- $pg/postgres -D $pgdata \
		-c config_file=$pgconf/postgresql.conf -c max_connections=300 \
		>/tmp/postgres.log 2>&1 &
	within 120 listens 5432 &&
		within 60 runuser -u postgres -- psql -h 127.0.0.1 -c 'select 1' &&
		db_load "$1" 4
}

# Who works in tmux: two files in vim, a shell, a clone of a repository, a build in it.
run_shell_user()
{
	rm -rf /home/alice/work /home/alice/done /home/alice/failed
	cat >/home/alice/day.sh <<'EOF'
cd || exit 1
export TERM=linux LC_ALL=C.UTF-8
tmux new-session -d -s day -x 120 -y 40 "git clone file:///srv/src work && cd work &&
	git status && vim Makefile"
while [ ! -e work/Makefile ]; do sleep 1; done
f=work/bc/stress.c
tmux split-window -t day "vim $f"
tmux new-window -t day
tmux send-keys -t day "cd ~/work; git log | cat; tail -f Makefile" Enter
tmux new-window -t day "cd work; make -j4 >log 2>&1 && git status && touch ~/done; touch ~/end;
	exec bash"
tmux attach -t day
EOF
	rm -f /home/alice/end
	bcctl exec $g -- runuser -l alice -c 'script -qfc "sh ~/day.sh" /dev/null' \
		</dev/null >/tmp/day.log 2>&1 &
	within 1200 test -e /home/alice/end || return 1
	sleep 2
	[ -e /home/alice/done ] || { tail -n 5 /home/alice/work/log | sed 's/^/#   /'; false; }
}

# Until it has started all, or knows that it cannot.
booted()
{
	local pid state
	pid=$(pgrep -o -x systemd) || return 1
	state=$(nsenter -t "$pid" -a -r systemctl is-system-running 2>/dev/null)
	[ "$state" = running ] || [ "$state" = degraded ]
}

run_container()
{
	bcctl exec $g -- systemd-nspawn -q -D /ct --boot --register=no --keep-unit \
		--console=pipe </dev/null >/tmp/container.log 2>&1 &
	if ! within 600 booted || ! within 60 listens 22 || ! within 60 listens 80 ||
	   ! within 60 listens 5432; then
		tail -n 20 /tmp/container.log | sed 's/^/#   /'
		return 1
	fi
	nsenter -t "$(pgrep -o -x systemd)" -a -r systemctl --no-legend --plain list-units \
		--state=running,failed --type=service | awk '{ print "#   " $1, $3, $4 }'
	logins 22 10 && web_load 200 / ab -t 20 -n 1000000 && db_load 10 10
}

run_service()
{
	case $1 in
	sshd-*) run_sshd "${1#*-}" ;;
	nginx-*) run_nginx "${1#*-}" ;;
	postgres-*) run_postgres "${1#*-}" ;;
	shell-user) run_shell_user ;;
	container) run_container ;;
	*) echo "# there is no service '$1'"; false ;;
	esac
}

# --- a run -----------------------------------------------------------------------------

stop_all()
{
	pkill -9 -x ssh
	pkill -9 -x sleep
	timeout -k 5 120 bcctl delete -k $g >/tmp/out 2>&1 || sed 's/^/# /' /tmp/out
	# A server that was killed leaves a segment behind.
	ipcrm --all=shm
	# What a server says when it finds that its predecessor was killed.
	rm -f $pgdata/postmaster.pid /run/nginx.pid
	rm -rf /tmp/* /tmp/.[!.]* /dev/shm/*
}

# Everything of the group in lines "RESOURCE MAXHELD FAILCNT".
counters()
{
	local r

	for r in $resources; do
		echo "$r $(cat $bc/$g/$r/maxheld) $(cat $bc/$g/$r/failcnt)"
	done
}

setup()
{
	resources=$(cd $bc && for r in $(cat controllers); do
		[ ! -e "$r/limit" ] || echo "$r"
	done)
	# nspawn wants to know who the host is.
	systemd-machine-id-setup >/dev/null 2>&1
	useradd -m -s /bin/bash alice || return 1
	mkdir -p /root/.ssh /home/alice/.ssh
	ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 &&
		cp /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys &&
		chown -R alice: /home/alice && chmod 755 /root || return 1
	chmod 700 /root /root/.ssh
	ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 || ssh-keygen -A >/dev/null

	# What git does not want to clone from somebody else.
	(cd /srv/src && git init -q && git add . &&
		git -c user.name=a -c user.email=a@localhost commit -q -m all) || return 1
	chown -R alice: /srv/src

	echo "host all all 127.0.0.1/32 trust" >$pgconf/pg_hba.conf
	echo "local all all peer" >>$pgconf/pg_hba.conf
	chown postgres: $pgconf/pg_hba.conf
	say "filling a database"
	g=setup
	bcctl create $g
	run_postgres 0 >/dev/null 2>&1
	runuser -u postgres -- createdb -h 127.0.0.1 bench &&
		runuser -u postgres -- pgbench -q -i -s 5 -h 127.0.0.1 bench >/tmp/out 2>&1 ||
		{ tail -n 5 /tmp/postgres.log /tmp/out; return 1; }
	pkill -INT -o -x postgres
	within 60 eval '! pgrep -x postgres'
	stop_all

	# The container is such a system, too, with all of this in it. It is slow here.
	say "making a container"
	mount -t ramfs none /ct || return 1
	(cd / && cp -ax bin sbin lib lib64 etc var home root srv opt mnt media boot /ct/) || return 1
	mkdir -p /ct/usr /ct/proc /ct/sys /ct/dev /ct/run /ct/tmp
	mount --bind /usr /ct/usr
	: >/ct/etc/machine-id
	mkdir -p /ct/etc/systemd/system.conf.d
	printf '[Manager]\nDefaultTimeoutStartSec=900\n' >/ct/etc/systemd/system.conf.d/lab.conf
}

# A thousand connections of one process.
ulimit -n 4096

echo "TAP version 13"
echo "1..$(echo $services $claims | wc -w)"
say "unpacked"
setup || { echo "Bail out! no setup"; exit 1; }

for s in $services; do
	say "measuring $s"
	g=m-$s
	bcctl create $g
	run_service $s
	status=$?
	counters | while read -r r max fail; do
		printf '# measured\t%s\t%s\t%s\n' $s $r $max
	done
	result $status "$s, without limits"
	stop_all
done

for c in $claims; do
	p=${c%%:*} s=${c#*:}
	say "profile $p, $s"
	g=p-$p
	bcctl create $g
	bcctl profile apply $p $g 2>/tmp/left-out || { sed 's/^/# /' /tmp/left-out; false; }
	status=$?
	# A profile that says nothing of a resource would pass here.
	for r in $resources; do
		[ "$(cat $bc/$g/$r/limit)" != max ] ||
			{ echo "# $r has no limit in $p"; status=1; }
	done
	run_service $s || status=1
	refused=$(counters | awk '$3 { print "#   refused: " $1, $3 " times, maxheld " $2 }')
	counters | while read -r r max fail; do
		printf '#   %-14s %12s of %s\n' $r $max "$(cat $bc/$g/$r/limit)"
	done
	[ -z "$refused" ] || { echo "$refused"; status=1; }
	result $status "$s under profile $p: nothing is refused"
	stop_all
done
exit $rc
