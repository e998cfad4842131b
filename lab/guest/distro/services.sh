#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a Debian that systemd has booted, with bc-tools installed: nginx, cron and postgresql, as
# Debian has them, in groups by /etc/bc/services.conf. Leaves things as they were. KTAP.
# lab/distro starts this.
. /bc/debian.sh

conf=/etc/bc/services.conf
work=$(mktemp -d) || exit 1
pg=$(ls /etc/postgresql 2>/dev/null | tail -n 1)
pgunit=postgresql@$pg-main.service

main_pid()
{
	systemctl show -p MainPID --value "$1"
}

# all_in UNIT GROUP: all processes of the unit's cgroup are there, and some are
all_in()
{
	local p pids

	pids=$(cat "/sys/fs/cgroup$(systemctl show -p ControlGroup --value "$1")/cgroup.procs") &&
		[ -n "$pids" ] || return 1
	for p in $pids; do
		grep -q "^0:[^:]*:$2\$" /proc/$p/bc && continue
		# It may have ended meanwhile.
		[ ! -e /proc/$p/bc ] || { echo "# $p: $(grep ^0: /proc/$p/bc)"; return 1; }
	done
}

limit()
{
	cat $bc/$1/limit
}

sum_of_units()
{
	sha256sum $(systemctl show -p FragmentPath --value nginx.service cron.service "$pgunit") 2>&1
}

cleanup()
{
	rm -f $conf /etc/bc/profiles/bc-test
	[ ! -e $work/conf ] || cp $work/conf $conf
	rm -rf /run/systemd/system/bc-test-*.service
	systemctl daemon-reload
	systemctl reset-failed 2>/dev/null
	systemctl restart nginx.service cron.service "$pgunit"
	bcctl delete -r -k bc-test >/dev/null 2>&1
	rm -rf "$work"
}

# unit NAME LINE...: of [Service]
unit()
{
	local f=/run/systemd/system/bc-test-$1.service
	shift
	mkdir -p /run/systemd/system
	{ echo "[Service]"; printf '%s\n' "$@"; } >$f
}

# tell LINE...: what services.conf says from now on
tell()
{
	mkdir -p /etc/bc
	printf '%s\n' "$@" >$conf
	systemctl daemon-reload
}

echo "TAP version 13"
echo "1..24"
[ ! -e $conf ] || cp $conf $work/conf
trap cleanup EXIT
sum=$(sum_of_units)

# --- three of Debian's ----------------------------------------------------------------------
tell "nginx.service /bc-test/nginx profile=medium numfiles=2K" \
	"cron.service /bc-test/cron profile=small" \
	"postgresql@.service /bc-test/pg/%i profile=large"
for u in nginx.service cron.service "$pgunit"; do
	case $u in
	nginx*) g=/bc-test/nginx ;;
	cron*) g=/bc-test/cron ;;
	*) g=/bc-test/pg/$pg-main ;;
	esac
	timeout 600 systemctl restart "$u" && all_in "$u" $g
	result $? "$u: all of it is in $g"
	[ "$(limit $g/numtasks)" != max ]
	result $? "$u: with limits"
done
[ "$(limit bc-test/nginx/numfiles)" = 2048 ]
result $? "nginx: what its line says goes before the profile"
[ "$(sum_of_units)" = "$sum" ]
result $? "the units are as they were"
within 60 runuser -u postgres -- psql -c 'select 1'
result $? "postgresql answers"
[ "$(cat $bc/bc-test/pg/numfiles/held)" -gt 20 ] && [ "$(cat $bc/bc-test/pg/numfiles/failcnt)" = 0 ]
result $? "postgresql: counted, and nothing refused"

# --- reload, restart, and the group is gone -------------------------------------------------
pid=$(main_pid nginx.service)
bcctl set bc-test/nginx numfiles=3K
systemctl reload nginx.service && sleep 1 && within 60 all_in nginx.service /bc-test/nginx
result $? "reload: new workers are in the group"
[ "$(main_pid nginx.service)" = "$pid" ] && [ "$(limit bc-test/nginx/numfiles)" = 3072 ]
result $? "reload: the same process, with the limits of now"
id=$(bcctl get bc-test/nginx id)
timeout 600 systemctl restart nginx.service && [ "$(main_pid nginx.service)" != "$pid" ] &&
	[ "$(limit bc-test/nginx/numfiles)" = 2048 ] && [ "$(bcctl get bc-test/nginx id)" = "$id" ]
result $? "restart: the same group, with the limits of the file"
! bcctl delete bc-test/nginx 2>/dev/null
result $? "a group with a service stays"
systemctl stop nginx.service
within 60 bcctl delete bc-test/nginx
timeout 600 systemctl start nginx.service && all_in nginx.service /bc-test/nginx &&
	[ "$(limit bc-test/nginx/numfiles)" = 2048 ]
result $? "the group was gone: it is made again, with its limits"
kill -9 "$(main_pid cron.service)"
sleep 1
within 60 eval 'systemctl is-active cron.service && all_in cron.service /bc-test/cron'
result $? "killed: started again by systemd, and in the group"

# --- units with users, and such that cannot be ------------------------------------------------
unit user 'User=daemon' 'ProtectKernelTunables=yes' 'NoNewPrivileges=yes' 'ExecStart=/bin/sleep 100000'
unit strict 'User=daemon' 'CapabilityBoundingSet=' 'ExecStart=/bin/sleep 100000'
unit wrong 'ExecStart=/bin/sleep 100000'
unit none 'ExecStart=/bin/sleep 100000'
tell "bc-test-user.service /bc-test/user numtasks=10" \
	"bc-test-strict.service /bc-test/strict numtasks=10" \
	"bc-test-wrong.service /bc-test/wrong numtask=10" \
	"bc-test-none.service /bc-test/none numtasks=0"
timeout 600 systemctl start bc-test-user.service && sleep 1 &&
	within 60 all_in bc-test-user.service /bc-test/user
result $? "User=: in the group"
p=$(main_pid bc-test-user.service)
[ "$(stat -c %U "/proc/$p")" = daemon ] && grep -q "^Groups:.*\<$(id -g daemon)\>" "/proc/$p/status" &&
	within 60 eval '[ "$(cat /proc/$p/comm)" = sleep ]'
result $? "User=: it is that user, and the program"
timeout 600 systemctl start bc-test-strict.service &&
	within 60 all_in bc-test-strict.service /bc-test/strict
result $? "what cannot start there is moved afterwards"
journalctl -b --no-pager 2>/dev/null | grep -q "bc-test-strict.service: it is moved when it has started" ||
	dmesg | grep -q "bc-test-strict.service: it is moved when it has started"
result $? "and that is said"
systemctl start bc-test-wrong.service
within 60 systemctl is-failed bc-test-wrong.service
result $? "a resource that does not exist: the service fails"
systemctl start bc-test-none.service
within 60 systemctl is-failed bc-test-none.service
result $? "a group without room: the service fails"
systemctl stop bc-test-user.service bc-test-strict.service

# --- the line is gone -----------------------------------------------------------------------
tell "# nothing"
timeout 600 systemctl restart nginx.service && all_in nginx.service /
result $? "without a line, it is in the root again"
within 60 eval '! bcctl tree bc-test/nginx | grep -q "[1-9] task"'
result $? "and the group is empty"
exit $rc
