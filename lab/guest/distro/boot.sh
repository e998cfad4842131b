#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a Debian that systemd has booted: it is all there, and so are beancounters. KTAP.
# lab/distro starts this.
. /bc/debian.sh

all_started()
{
	[ "$(timeout 900 systemctl is-system-running --wait)" = running ] && return
	systemctl --failed --no-legend --plain | sed 's/^/# /'
	systemctl list-jobs --no-legend --plain | sed 's/^/# /'
	return 1
}

active()
{
	local unit status=0
	for unit; do
		systemctl -q is-active $unit || { echo "# $unit is not active"; status=1; }
	done
	return $status
}

own_kernel()
{
	local release

	release=$(uname -r)
	dpkg-query -W -f '# ${Package} ${Version}\n' "linux-image-$release" &&
		zcat /proc/config.gz | grep -qx CONFIG_BEANCOUNTERS=y
}

cgroups_used()
{
	local c status=0

	[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || return
	for c in cpu io memory pids; do
		grep -qw $c /sys/fs/cgroup/cgroup.controllers ||
			{ echo "# there is no $c"; status=1; }
	done
	grep -qx 0::/system.slice/nginx.service \
		"/proc/$(systemctl show -P MainPID nginx.service)/cgroup" || status=1
	[ "$(cat /sys/fs/cgroup/system.slice/nginx.service/pids.current)" -gt 0 ] || status=1
	return $status
}

mounted()
{
	[ "$(findmnt -no FSTYPE /sys/kernel/config)" = configfs ] && [ -d $bc/numtasks ]
}

restored()
{
	[ "$(cat $bc/boot/numfiles/barrier)" = 1000 ] && [ "$(cat $bc/boot/numfiles/limit)" = 1100 ] &&
		[ "$(cat $bc/boot/inner/numtasks/limit)" = 77 ] &&
		[ "$(cat $bc/boot/inner/numfiles/limit)" = max ]
}

# Who is wanted by basic.target has to be ready before it.
restored_early()
{
	local restore basic

	restore=$(systemctl show -P ActiveEnterTimestampMonotonic bc-restore.service)
	basic=$(systemctl show -P ActiveEnterTimestampMonotonic basic.target)
	echo "#   restored after $((restore / 1000)) ms, basic.target after $((basic / 1000)) ms"
	[ "$restore" -gt 0 ] && [ "$restore" -le "$basic" ]
}

# A reload brings back what the file says.
reloaded()
{
	echo 5 >$bc/boot/inner/numtasks/limit
	systemctl reload bc-restore.service && restored
}

journal_has()
{
	journalctl -q -k -o cat --no-pager | grep -q "$1"
}

# The limit is met by a child, whom the shell outlives.
refusal_in_journal()
{
	bcctl exec -c numfiles=20 log -- perl -e \
		'while (open my $f, "<", "/dev/null") { push @f, $f }' || return
	within 30 journal_has '^bc: /log: numfiles [a-z]* 20 reached by perl\[[0-9]*\], group /log$'
	local status=$?
	bcctl delete log || status=1
	return $status
}

# bc_oom_hog is what lab/check-log knows of.
oom_in_journal()
{
	local status

	cp /usr/bin/perl /tmp/bc_oom_hog
	bcctl exec -c physpages=32M oom -- /tmp/bc_oom_hog -e '$x = "x" x (96 << 20); sleep 600'
	status=$?
	rm /tmp/bc_oom_hog
	[ $status = 137 ] && status=0 || { echo "# exit status $status"; status=1; }
	within 30 journal_has \
		'^bc: /oom: out of memory, physpages .*: killed bc_oom_hog\[[0-9]*\] with' || status=1
	[ "$(cat $bc/oom/physpages/oom_kills)" = 1 ] || status=1
	within 30 bcctl delete oom || status=1
	return $status
}

echo "TAP version 13"
echo "1..10"
ok "systemd has started all units" all_started
ok "sshd, cron, nginx, postgresql, dbus, logind run" active ssh.service cron.service \
	nginx.service postgresql@15-main.service dbus.service systemd-logind.service
ok "the kernel is that of our package" own_kernel
ok "cgroup v2 as always" cgroups_used
ok "configfs is mounted" mounted
ok "bc-restore has restored /etc/bc.conf" restored
ok "before basic.target" restored_early
ok "a reload restores it again" reloaded
ok "journald has a refusal" refusal_in_journal
ok "journald has an OOM kill" oom_in_journal
exit $rc
