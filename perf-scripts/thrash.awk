# SPDX-License-Identifier: GPL-2.0
# perf-scripts/thrash runs this, with table.awk, over build/bench/thrash/raw: the report
# goes to stdout, the long forms to files in the folder "out". Status: 3 if a target is
# missed.

# Of beancounters or cgroups, in this run.
function get(kind, run, what)
{
	return value[kind, run, what]
}

function whole(kind, run)
{
	return !get(kind, run, "gone")
}

# Instructions, for each write.
function each(kind, run)
{
	return get(kind, run, "instructions") / get(kind, run, "touches")
}

function each_text(kind, run)
{
	return whole(kind, run) ? comma(each(kind, run)) : "killed"
}

function both_whole(run)
{
	return whole("bc", run) && whole("cgroup", run)
}

function ratio(run)
{
	return each("bc", run) / each("cgroup", run)
}

function ratio_text(run)
{
	return both_whole(run) ? sprintf("%.2f", ratio(run)) : ""
}

function both(run, what)
{
	return comma(get("bc", run, what)) ", " comma(get("cgroup", run, what))
}

function looked(kind, run)
{
	if (!get(kind, run, "freed"))
		return "none freed"
	return sprintf("%.1f", get(kind, run, "looked") / get(kind, run, "freed"))
}

function lost(kind, run)
{
	return 100 * get(kind, run, "lost") / get(kind, run, "pages")
}

function lost_text(kind, run)
{
	return sprintf("%s of %s (%.1f %%)", comma(get(kind, run, "lost")), \
		       comma(get(kind, run, "pages")), lost(kind, run))
}

# The largest difference between two counts, of all runs of a kind.
function largest(kind, what, other,  i, d, most)
{
	for (i = 1; i <= nruns; i++) {
		d = get(kind, run[i], what) - get(kind, run[i], other)
		if (d > most)
			most = d
	}
	return most + 0
}

BEGIN {
	lines["sequential"] = lines["random"] = lines["hot"] = 3
	lines["neighbour"] = lines["processes"] = 2
	title["sequential"] = "one after the other"
	title["random"] = "at random"
	title["hot"] = "a hot tenth"
	title["own"] = "its own, and the other group has one"
	title["common"] = "that of the group above both"
	nkinds = split("bc cgroup", kinds, " ")
}

FNR == 1 {
	kind = FILENAME
	sub(/-.*/, "", kind)
}

/ touches=/ {
	name = $1 " " $2
	if (!(name in seen)) {
		seen[name] = 1
		run[++nruns] = name
		first[name] = $1
		second[name] = $2
	}
	printed[kind, $1]++
	measured[$1] = 1
	for (i = 3; i <= NF; i++) {
		split($i, a, "=")
		value[kind, name, a[1]] = a[2]
		if (!(a[1] in column)) {
			column[a[1]] = 1
			columns[++ncolumns] = a[1]
		}
	}
}

END {
	for (what in measured)
		for (k = 1; k <= nkinds; k++)
			if (printed[kinds[k], what] != lines[what]) {
				print "thrash.awk: not all lines of " kinds[k] " " what >"/dev/stderr"
				exit 2
			}
	if (!nruns) {
		print "thrash.awk: nothing was measured" >"/dev/stderr"
		exit 2
	}

	print "# Workloads that do not fit"
	print ""
	print "In a group with `physpages/limit` (bc), and in a cgroup v2 with `memory.max` the same"
	print "(cgroup: and what the kernel had charged for the processes at the start on top), on"
	print "the same kernel, with swap on zram, without huge pages. A write is to one word of a"
	print "page. Instructions are the CPU time of the processes in a guest of QEMU that counts"
	print "them (`LAB=1 lab/vm`). " about

	for (i = 1; i <= nruns; i++)
		if (first[run[i]] in title) {
			if (!patterns++) {
				print "\n## Patterns\n"
				print "One process, limit 16 MB, 40,000 writes; all pages have been written to once before."
				print "Instructions of a write; pages that went to swap and came back, and processes that"
				print "were killed, with beancounters and with cgroups."
				header("writes|memory, times the limit|bc|cgroup|bc / cgroup|out|in|killed|looked at for each one freed: bc|cgroup", 1)
			}
			r = run[i]
			a[1] = title[first[r]]
			a[2] = second[r]
			a[3] = each_text("bc", r)
			a[4] = each_text("cgroup", r)
			a[5] = ratio_text(r)
			a[6] = both(r, "out")
			a[7] = both(r, "in")
			a[8] = both(r, "kills")
			a[9] = looked("bc", r)
			a[10] = looked("cgroup", r)
			row(a, 10)
		}

	if ("neighbour" in measured) {
		print "\n## A neighbour\n"
		print "It has 4 MB, and writes to all of it, over and over, while the process in the group"
		print "beside it writes at random to 32 MB, with a limit of 16 MB (20 MB for both together):"
		print "faults that it has, each for a page that was taken from it, and instructions of a"
		print "write of the other one."
		header("limit|bc: lost|cgroup: lost|bc: a write|cgroup: a write", 1)
		for (i = 1; i <= nruns; i++) {
			r = run[i]
			if (first[r] != "neighbour")
				continue
			a[1] = title[second[r]]
			for (k = 1; k <= nkinds; k++) {
				a[k + 1] = lost_text(kinds[k], r)
				a[k + 3] = each_text(kinds[k], r)
			}
			row(a, 5)
		}
	}

	if ("processes" in measured) {
		print "\n## Many processes\n"
		print "They have 64 MB together, the group has a limit of 32 MB, and each writes to all of"
		print "its pages when it is its turn, twice. Pages that are looked at for each one that is"
		print "freed, instructions of a write, and processes that were killed:"
		header("processes|bc: looked at|cgroup: looked at|bc: a write|cgroup: a write|bc / cgroup|killed", 1)
		for (i = 1; i <= nruns; i++) {
			r = run[i]
			if (first[r] != "processes")
				continue
			a[1] = comma(second[r])
			for (k = 1; k <= nkinds; k++) {
				a[k + 1] = looked(kinds[k], r)
				a[k + 3] = each_text(kinds[k], r)
			}
			a[6] = ratio_text(r)
			a[7] = both(r, "kills")
			row(a, 7)
		}
	}

	print "\n## What else\n"
	print "Time that was not spent by the processes: they waited, or others worked for them."
	print "Pages that came from swap, or went there, and were not theirs. The most of a run:"
	header("|bc|cgroup", 1)
	a[1] = "time, percent of that of the run"
	for (k = 1; k <= nkinds; k++) {
		most = 0
		for (i = 1; i <= nruns; i++) {
			r = run[i]
			# Of a neighbour, it would be the other one's.
			if (first[r] == "neighbour")
				continue
			d = 100 * (1 - get(kinds[k], r, "instructions") / get(kinds[k], r, "time"))
			if (d > most)
				most = d
		}
		a[k + 1] = sprintf("%.1f", most)
	}
	row(a, 3)
	a[1] = "pages that came from swap"
	for (k = 1; k <= nkinds; k++)
		a[k + 1] = comma(largest(kinds[k], "in", "own_in"))
	row(a, 3)
	a[1] = "pages that went to swap"
	for (k = 1; k <= nkinds; k++)
		a[k + 1] = comma(largest(kinds[k], "out", "own_out"))
	row(a, 3)

	print "\n## Targets\n"
	header("what|measured|at most|", 1)
	print "target,measured,bound,verdict" >(out "/targets.csv")
	for (i = 1; i <= nruns; i++) {
		r = run[i]
		kills += get("bc", r, "kills") - get("cgroup", r, "kills")
		if (!(first[r] in title) || !both_whole(r))
			continue
		target(title[first[r]] ", " second[r] " times the limit: percent of cgroup's instructions", 100 * ratio(r), 150)
		if (!best || ratio(r) < best)
			best = ratio(r)
	}
	if (best)
		target("the best of these, percent", 100 * best, 99)
	target("killed, more than with cgroups", kills, 0)
	for (i = 1; i <= nruns; i++)
		if (first[run[i]] == "neighbour")
			target("pages lost, percent, limit: " title[second[run[i]]], lost("bc", run[i]), 5)
	print "\n" ntargets - missed " of " ntargets + 0 " met."

	line = "kind,run,case"
	for (i = 1; i <= ncolumns; i++)
		line = line "," columns[i]
	print line >(out "/thrash.csv")
	for (k = 1; k <= nkinds; k++)
		for (j = 1; j <= nruns; j++) {
			line = kinds[k] "," first[run[j]] "," second[run[j]]
			for (i = 1; i <= ncolumns; i++)
				line = line "," get(kinds[k], run[j], columns[i])
			print line >(out "/thrash.csv")
		}
	exit missed ? 3 : 0
}
