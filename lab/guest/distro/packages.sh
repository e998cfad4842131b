#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a Debian that systemd has booted: what our packages bring, and leave behind. KTAP.
# lab/distro starts this, at last: our programs are not there any more afterwards. The
# packages are in /mnt/deb.
. /bc/debian.sh

deb=/mnt/deb
tmp=/tmp/packages
mkdir -p $tmp
export DEBIAN_FRONTEND=noninteractive

# quiet COMMAND...: what it says matters if it fails
quiet()
{
	"$@" >$tmp/out 2>&1 && return
	sed 's/^/# /' $tmp/out
	return 1
}

# Those of tools/bc that are installed.
ours=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' |
	awk '$1 ~ /^(bc-tools|libpam-bc|bc-oci-hook)$/ && $2 == "ii" { print $1 }')
release=$(uname -r)
next=${release%-bc*}-bc99
kernel=linux-image-$release

# next_serial PACKAGE: prints a file, with the package as it will be with serial 99, and what
# is in /etc/bc with another line.
next_serial()
{
	local d=$tmp/$1 f

	rm -rf $d
	dpkg-deb -R $deb/$1_*.deb $d || return
	sed -i 's/^\(Version: .*+bc\).*/\199/' $d/DEBIAN/control
	for f in $(cat $d/DEBIAN/conffiles 2>/dev/null); do
		echo "# serial 99" >>$d$f
	done
	rm -f $d/DEBIAN/md5sums
	dpkg-deb -b $d $d.deb >&2 || return
	echo $d.deb
}

# The same for the kernel, whose release is in the names of its files.
next_kernel()
{
	local d=$tmp/kernel f

	rm -rf $d
	dpkg-deb -R $deb/${kernel}_*.deb $d || return
	for f in $d/boot/*"$release" $d/lib/modules/"$release" $d/usr/share/doc/*"$release"; do
		[ ! -e "$f" ] || mv "$f" "${f%"$release"}$next" || return
	done
	rm -f $d/DEBIAN/md5sums
	sed -i "s/$release/$next/g" $d/DEBIAN/* || return
	dpkg-deb -b $d $d.deb >&2 || return
	echo $d.deb
}

# services [UNIT ...]: when these and others have started, and which process they are.
services()
{
	systemctl show -p Id -p ActiveEnterTimestampMonotonic -p MainPID nginx.service ssh.service \
		cron.service postgresql@15-main.service dbus.service systemd-logind.service "$@"
}

# Names of all that a package may leave behind, and contents of what is in /etc.
files()
{
	(
		find /etc /usr /lib /boot /opt /srv /var/lib /var/cache /var/spool /root \
			-xdev ! -path '/var/lib/dpkg/*' ! -path '/var/cache/man/*' \
			! -path '/var/lib/systemd/*.timer' ! -path '/var/lib/postgresql/*' \
			! -path '/var/lib/containers/*' ! -path '/var/lib/systemd/timers/*'
		find /var/lib/dpkg/info
		find /etc -type f -exec sha256sum {} +
	) | sort
}

manual_pages()
{
	man -w 8 bcctl && man -w 8 bc-events && man -w 7 bc && man -w 5 bc.conf &&
		man -w 7 bc-services && man -P cat 8 bcctl | grep -q 'bcctl exec'
}

completion()
{
	bash -c '. /usr/share/bash-completion/bash_completion
		_completion_loader bcctl
		complete -p bcctl'
}

# Neither enabled nor started, but for bc-restore, which lab/distro has enabled.
quiet_units()
{
	local unit status=0

	for unit in $(dpkg -L $ours | sed -n 's|^/lib/systemd/system/\([^@]*\)$|\1|p'); do
		[ $unit != bc-restore.service ] || continue
		case $(systemctl is-enabled $unit) in
		disabled|static) ;;
		*) echo "$unit is enabled"; status=1 ;;
		esac
		! systemctl -q is-active $unit || { echo "$unit is active"; status=1; }
	done
	return $status
}

upgrade()
{
	local p debs=

	services bc-restore.service >$tmp/before
	sleep 100000 &
	local sleeper=$!
	bcctl exec -c numtasks=5 upgrade -- true && echo $sleeper >$bc/upgrade/tasks || return
	for p in $ours; do
		debs="$debs $(next_serial $p)" || return
	done
	dpkg -i $debs || return
	for p in $ours; do
		dpkg-query -W -f '${Version}\n' $p | grep -q '+bc99' || return
	done
	services bc-restore.service >$tmp/after
	diff $tmp/before $tmp/after || return
	# Its groups are as they were.
	[ "$(cat $bc/upgrade/numtasks/limit)" = 5 ] && [ "$(cat $bc/upgrade/tasks)" = $sleeper ] || return
	kill $sleeper
	within 30 bcctl delete upgrade
}

# What a person has changed stays, also if the other package says something else.
conffiles()
{
	local f p debs=

	f=$(dpkg-query -W -f '${Conffiles}\n' $ours | awk '$1 ~ "^/etc/bc/" { print $1; exit }')
	[ -n "$f" ] || return 0
	echo "# changed here" >>$f
	for p in $ours; do
		debs="$debs $(ls $deb/${p}_*.deb)"
	done
	dpkg --force-confdef --force-confold -i $debs && grep -q "^# changed here" $f
}

# What runs for them ends with them, nothing else does.
purge()
{
	local f status=0

	services >$tmp/before
	systemctl -q enable --now bc-export.timer || return
	mkdir -p $bc/kept && echo 7 >$bc/kept/numtasks/limit
	dpkg -L $ours | sort -u >$tmp/list
	dpkg --purge $ours || return
	services >$tmp/after
	diff $tmp/before $tmp/after || status=1
	while read -r f; do
		# Folders with other names are those of others, too.
		if [ -d "$f" ]; then
			case $f in */bc|*/bc/*|*/*bc-*) ;; *) continue ;; esac
		elif [ ! -e "$f" ] && [ ! -L "$f" ]; then
			continue
		fi
		echo "$f is still there"
		status=1
	done <$tmp/list
	find /etc /var/lib/systemd /usr/share/pam-configs -name 'bc-*' \
		! -name 'bc-run.service' ! -name 'bc-shell.service' | grep . && status=1
	! grep -r pam_bc /etc/pam.d || status=1
	! systemctl -q is-active bc-export.timer || { echo "the timer runs on"; status=1; }
	[ "$(cat $bc/kept/numtasks/limit)" = 7 ] || status=1
	rmdir $bc/kept || status=1
	return $status
}

# As if it had never been there: apart from what is now, which was there before.
again()
{
	local p debs=

	files >$tmp/before
	for p in $ours; do
		debs="$debs $(ls $deb/${p}_*.deb)"
	done
	dpkg -i $debs || return
	quiet_units || return
	# Nobody has enabled it this time.
	[ "$(systemctl is-enabled bc-restore.service)" = disabled ] || return
	dpkg --purge $ours || return
	files >$tmp/after
	diff $tmp/before $tmp/after
}

still_running()
{
	[ -z "$(systemctl --failed --no-legend --plain)" ] || { systemctl --failed; return 1; }
	runuser -u alice -- true && su - alice -c true
}

kernel_beside()
{
	services >$tmp/before
	files >$tmp/files.before
	dpkg -i "$(next_kernel)" || return
	[ -e /boot/vmlinuz-$next ] && [ -e /boot/vmlinuz-$release ] || return
	dpkg --purge linux-image-$next || return
	files >$tmp/files.after
	diff $tmp/files.before $tmp/files.after || return
	services >$tmp/after
	diff $tmp/before $tmp/after
}

kernel_gone()
{
	dpkg --purge $kernel || return
	! find /boot /lib/modules /usr/lib/linux-image* -name "*$release*" 2>/dev/null | grep .
}

echo "TAP version 13"
echo "1..10"
say "installed: $ours $kernel"
ok "there are manual pages" quiet manual_pages
ok "there is completion for bash" quiet completion
ok "no unit is enabled or started" quiet quiet_units
ok "an upgrade restarts nothing" quiet upgrade
ok "an upgrade keeps configuration that was changed" quiet conffiles
ok "a purge leaves nothing behind, and stops nothing of others" quiet purge
ok "installing and purging leaves files as they were" quiet again
ok "no unit has failed, and users can log in" quiet still_running
ok "the next kernel is beside this one, and goes without a trace" quiet kernel_beside
ok "this kernel's package goes without a trace" quiet kernel_gone
exit $rc
