# SPDX-License-Identifier: GPL-2.0
# For the scripts of a guest that run programs of Debian: to be sourced. /mnt is build/debian,
# which lab/debian makes.

bc=/sys/kernel/config/bc
root=/run/debian

# Out of the initramfs, with busybox: make a root of this archive and the shared /usr.
debian_root()
{
	local share d

	share=$(sed -n 's/^share \/mnt .*/yes/p' /proc/mounts)
	[ "$share" = yes ] || { echo "$0: /mnt is not shared" >&2; return 1; }
	# Again, with caches as for a disk, and not as many requests as tar(1) has reads. One
	# mount of it is all that there can be.
	umount /mnt
	mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose share /mnt || return 1
	# A tmpfs would count in shmpages for what is a file on a disk elsewhere, and there
	# is no block device. Names and pages in a ramfs count as those of a disk do, but
	# cannot be given back.
	mkdir -p $root
	mount -t ramfs none $root || return 1
	tar -xf /mnt/$1 -C $root || return 1
	mkdir -p $root/usr $root/dev $root/bc $root/share $root/ct
	mount --bind /mnt/usr $root/usr || return 1
	mount --bind /bc $root/bc
	for d in proc dev dev/pts dev/shm sys sys/kernel/config sys/fs/cgroup; do
		mount --bind /$d $root/$d || return 1
	done
	mount -t tmpfs -o mode=755 none $root/run
	mount -t tmpfs -o mode=1777 none $root/tmp
}

# Run the script that has sourced this once more, in there. INSIDE is 1 then.
debian_run()
{
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/bc INSIDE=1 LC_ALL=C \
		chroot $root /bin/sh "$0" "$@"
}

say()
{
	echo "# $(cut -d. -f1 /proc/uptime) s: $*"
}

n=0
rc=0
# result STATUS NAME
result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		rc=1
	fi
}

# ok NAME COMMAND...: the result of that
ok()
{
	local name=$1 status=0
	shift
	"$@" || status=1
	result $status "$name"
}

# within SECONDS COMMAND...: until it succeeds
within()
{
	local n=$1
	shift
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		if [ $n -lt 0 ]; then
			echo "# in vain: $*"
			return 1
		fi
		sleep 1
	done
}

listens()
{
	grep -q " [0-9A-F]*:$(printf %04X "$1") 0*:0000 0A " /proc/net/tcp
}

# start_nginx GROUP
start_nginx()
{
	bcctl exec "$1" -- nginx -g 'daemon off;' >/tmp/nginx.log 2>&1 &
	within 60 listens 80
}

# web_load CONNECTIONS PATH COMMAND...: COMMAND is ab, with how much, and what may be before it
web_load()
{
	local connections=$1 path=$2
	shift 2
	"$@" -q -k -c "$connections" -s 120 "http://127.0.0.1$path" >/tmp/ab 2>&1 || return 1
	grep -E "^(Complete|Failed|Keep-Alive|Requests per)" /tmp/ab | sed 's/^/#   /'
	grep -q "^Failed requests: *0$" /tmp/ab && ! grep -q "^Non-2xx" /tmp/ab
}
