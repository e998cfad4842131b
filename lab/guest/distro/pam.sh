#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a Debian that systemd has booted: logins with pam_bc, of alice, who does everything wrong,
# bob and root. KTAP. lab/distro starts this.
. /bc/debian.sh

conf=/etc/bc/users.conf
tmp=/tmp/pam
if ! dpkg -L libpam-bc >/dev/null 2>&1; then
	echo "TAP version 13"
	echo "1..0 # SKIP libpam-bc is not installed"
	exit 0
fi

# --- who logs in ---------------------------------------------------------------------------

# as USER COMMAND: over the network
as()
{
	timeout 900 ssh -i $tmp/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR "$1@127.0.0.1" "$2"
}

let_in()
{
	local user home

	for user in alice bob root; do
		home=$(getent passwd $user | cut -d: -f6)
		mkdir -p $home/.ssh
		cp $tmp/key.pub $home/.ssh/authorized_keys
		chown -R $user: $home/.ssh
		chmod 700 $home/.ssh
	done
}

group="cut -d: -f3 /proc/self/bc"

in_group()
{
	local found

	found=$(cat)
	[ "$found" = "$1" ] || { echo "# in '$found', not in $1"; return 1; }
}

gone()
{
	[ ! -d $bc/users/$1 ]
}

# Nobody of them is left: systemd's for the user stays for some seconds.
all_gone()
{
	local user status=0

	# It gives up at the first who has not logged in.
	for user in alice bob; do
		loginctl terminate-user $user 2>/dev/null
	done
	for user in alice bob; do
		within 120 gone $user && continue
		ps -o pid,args -p "$(paste -sd, $bc/users/$user/tasks)" | sed 's/^/#   /'
		status=1
	done
	return $status
}

# --- sessions ------------------------------------------------------------------------------

ssh_session()
{
	as alice "$group" | in_group /users/alice
}

limits_there()
{
	[ "$(as alice "cat $bc/users/alice/numtasks/limit")" = 60 ] &&
		[ "$(as bob "cat $bc/users/bob/numtasks/limit")" = 200 ]
}

su_session()
{
	su - bob -c "$group" | in_group /users/bob
}

cron_session()
{
	local status=0

	echo "* * * * * alice $group >$tmp/cron.new && mv $tmp/cron.new $tmp/cron" \
		>/etc/cron.d/bc-test
	within 150 [ -e $tmp/cron ] && in_group /users/alice <$tmp/cron || status=1
	rm -f /etc/cron.d/bc-test
	return $status
}

root_session()
{
	as root "$group" | in_group / && [ ! -d $bc/users/root ]
}

# Eight at once, below where sshd begins to turn people away; nobody runs without limits.
parallel()
{
	local i pids= status=0

	for i in 1 2 3 4 5 6 7 8; do
		as bob "$group; cat $bc/users/bob/numtasks/limit" >$tmp/parallel.$i &
		pids="$pids $!"
	done
	for i in $pids; do
		wait $i || status=1
	done
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(echo $(cat $tmp/parallel.$i))" = "/users/bob 200" ] ||
			{ echo "# login $i: $(echo $(cat $tmp/parallel.$i))"; status=1; }
	done
	return $status
}

said()
{
	journalctl -q -o cat --no-pager --since "$1" | grep pam_bc
}

# Broken lines and no file at all: it is said, and everybody may log in.
broken()
{
	local status=0 since

	since=$(date '+%F %T')
	mv $conf $tmp/conf
	printf 'alice numtasks=\n= = =\nroot numtasks=0 nosuch=1\n* numtasks=12x\n' >$conf
	as root true && as alice true && as bob true || status=1
	within 30 said "$since" || status=1
	rm $conf
	as root true && as alice true || status=1
	mv $tmp/conf $conf
	return $status
}

# --- a user who does everything wrong ------------------------------------------------------

# Never gives up, and never ends.
misconduct()
{
	cat >$tmp/bomb <<-'EOP'
		sleep 1 until -e $ARGV[0];
		for (;;) { fork // sleep 1 }
	EOP
	cat >$tmp/files <<-'EOP'
		while (open my $f, "<", "/dev/null") { push @f, $f }
		sleep 6000
	EOP
	# inotify_init1, inotify_add_watch
	cat >$tmp/watches <<-'EOP'
		my $fd = syscall(294, 0);
		for my $p (split /\n/, `find /usr -type f`) {
			last if $n++ >= 10000;
			syscall(254, $fd, $p, 2);
		}
		sleep 6000
	EOP
	# struct flock: F_WRLCK, SEEK_SET, a byte of every two; F_SETLK
	cat >$tmp/locks <<-'EOP'
		open my $f, ">", "$ENV{HOME}/locks" or die;
		for (1 .. 10000) { my $l = pack "s s x4 q q l x4", 1, 0, 2 * $_, 1, 0; fcntl $f, 6, $l }
		sleep 6000
	EOP
	chmod 644 $tmp/bomb $tmp/files $tmp/watches $tmp/locks
}

refused()
{
	[ "$(cat $bc/users/alice/$1/failcnt)" -gt 0 ]
}

# What another needs of all that, some times; prints how often it went well.
errand='
	cd; n=0
	for i in 1 2 3 4 5 6 7 8 9 10; do
		ls /etc >files &&
			perl -e "open my \$f, \">\", \"lock\" or die;
				flock \$f, 2 or die;
				my \$fd = syscall(294, 0); \$fd >= 0 or die;
				my \$p = \"/etc/passwd\"; syscall(254, \$fd, \$p, 2) >= 0 or die" &&
			n=$((n + 1))
	done
	rm -f files lock
	echo $n'

undisturbed()
{
	local what status=0 done_

	misconduct
	# One after the other: who has all files, or all tasks, leaves none to the sessions that
	# are to come. The bomb, which goes off last, is there before.
	as alice "exec perl $tmp/bomb $tmp/go" >/dev/null 2>&1 &
	within 300 pgrep -u alice -f "perl $tmp/bomb" || status=1
	for what in numwatches:watches numflock:locks numfiles:files; do
		as alice "exec perl $tmp/${what#*:}" >$tmp/said 2>&1 &
		within 300 refused ${what%%:*} && continue
		echo "# no ${what#*:} were refused"
		sed 's/^/#   /; 5q' $tmp/said
		status=1
	done
	touch $tmp/go
	within 300 refused numtasks || { echo "# the bomb was not held"; status=1; }
	for what in numtasks numfiles numwatches numflock; do
		echo "#   alice: $what: $(cat $bc/users/alice/$what/maxheld) at most, limit" \
			"$(cat $bc/users/alice/$what/limit)," \
			"refused $(cat $bc/users/alice/$what/failcnt) times"
		[ "$(cat $bc/users/alice/$what/maxheld)" -le "$(cat $bc/users/alice/$what/limit)" ] ||
			status=1
	done
	done_=$(as bob "$errand")
	echo "#   bob: $done_ of 10 errands"
	[ "$done_" = 10 ] || status=1
	as root true || status=1
	for what in numtasks numfiles numwatches numflock; do
		[ "$(cat $bc/users/bob/$what/failcnt 2>/dev/null || echo 0)" = 0 ] || status=1
	done
	bcctl delete --kill users/alice || status=1
	return $status
}

# --- a run ---------------------------------------------------------------------------------

rm -rf $tmp
# cron writes there, as alice.
mkdir -m 1777 $tmp
ssh-keygen -q -t ed25519 -N '' -f $tmp/key
let_in
cp -p $conf $tmp/conf.saved
cat >$conf <<EOF2
alice  numtasks=60 numfiles=1000 numwatches=500 numflock=300
*      numtasks=200 numfiles=3000 numwatches=1000 numflock=600
EOF2

echo "TAP version 13"
echo "1..11"
ok "ssh: a session is in its user's group" ssh_session
ok "the limits of users.conf are there" limits_there
ok "su: a session is in the other user's group" su_session
ok "cron: so is a job" cron_session
ok "root is in no group" root_session
ok "groups are gone after the last session" all_gone
ok "parallel logins share a group that has its limits" parallel
ok "that is gone, too" all_gone
ok "a broken configuration is logged, and keeps nobody out" broken
ok "who does everything wrong disturbs nobody" undisturbed
ok "and leaves no group behind" all_gone
cp -p $tmp/conf.saved $conf
# Killed above, with all that was alice's.
systemctl reset-failed "user@$(id -u alice).service" 2>/dev/null
rm -rf $tmp /home/alice/locks
exit $rc
