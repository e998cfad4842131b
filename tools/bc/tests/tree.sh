# SPDX-License-Identifier: GPL-2.0
# A directory tree that looks like configfs and /proc, for tests/run and for whoever wants
# to look at bcctl without a kernel. To be sourced; make_tree DIR [CONTROLLER...], with
# controllers that are not in all kernels.

make_tree()
{
	local dir=$1 c f unit
	shift
	local controllers="numtasks numfiles numinotify numwatches numflock numpty numkeys \
numsiginfo numtcpsock numothersock cpuacct cpuset nodeset newthing${*:+ $*}"

	mkdir -p "$dir/config/bc" "$dir/config/bc_hierarchies" "$dir/proc/sys/kernel/random"
	mkdir -p "$dir/proc/self"
	echo "0:numtasks:/" >"$dir/proc/self/bc"
	echo 12345678-boot >"$dir/proc/sys/kernel/random/boot_id"
	echo "$controllers" >"$dir/config/bc/controllers"
	for f in id releasable notify_on_release; do
		echo 0 >"$dir/config/bc/$f"
	done
	: >"$dir/config/bc/tasks"
	: >"$dir/config/bc/threads"
	: >"$dir/config/bc/release_agent"
	for c in $controllers; do
		mkdir "$dir/config/bc/$c"
		case $c in
		num*|newthing|*pages|*size|*buf)
			echo max >"$dir/config/bc/$c/limit"
			echo max >"$dir/config/bc/$c/barrier"
			echo 0 >"$dir/config/bc/$c/failcnt"
			for f in held maxheld minheld; do
				echo ENODATA >"$dir/config/bc/$c/$f"
			done
			;;
		esac
	done
	for f in usage user system; do
		echo 0 >"$dir/config/bc/cpuacct/$f"
	done
	chmod 444 "$dir/config/bc/cpuacct/user" "$dir/config/bc/cpuacct/system"
	echo 123 >"$dir/config/bc/numtasks/held"
	echo 0-3 >"$dir/config/bc/cpuset/cpus"
	echo 0 >"$dir/config/bc/cpuset/cpu_exclusive"
	echo 0 >"$dir/config/bc/nodeset/mems"
	echo 0 >"$dir/config/bc/nodeset/memory_migrate"
	echo 0 >"$dir/config/bc/nodeset/memory_pressure_enabled"
	{
		printf '#hierarchy\tname\tgroups\tcontrollers\n'
		printf '0\tbc\t1\t%s\n' "$(echo $controllers | tr ' ' ,)"
		printf '#controller\thierarchy\n'
		for c in $controllers; do
			unit=
			case $c in
			*pages) unit=pages ;;
			*size|*buf) unit=bytes ;;
			esac
			printf '%s\t0%s\n' "$c" "${unit:+	$unit}"
		done
		printf '#css_groups\t0\n'
	} >"$dir/proc/beancounters"
	export BC_CONFIGFS=$dir/config BC_PROC=$dir/proc BC_STATE=$dir BC_PROFILES=$dir/profiles
	export BC_KMSG=$dir/kmsg BC_CGROUP=$dir/cgroup
}
