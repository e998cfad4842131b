# SPDX-License-Identifier: GPL-2.0
# perf-scripts/report runs this, with table.awk, over build/bench/raw: the report goes to
# stdout, the long forms to files in the folder "out". Status: 1 if two runs differ, 3 if
# a target is missed.

function has(s)
{
	return (s, "null") in cost
}

# What is added to nobc, in those of these situations that were measured.
function differences(list,  i, j, k, n, col, a, text)
{
	n = split(list, col, " ")
	for (i = 1; i <= n; i++)
		if (has(col[i])) {
			col[++k] = col[i]
			text = text "|" col[k]
		}
	if (!k)
		return
	header("path|nobc" text, 1)
	for (i = 1; i <= npaths; i++) {
		if (!(("nobc", path[i]) in cost))
			continue
		a[1] = title[path[i]]
		a[2] = comma(cost["nobc", path[i]])
		for (j = 1; j <= k; j++)
			a[j + 2] = signed(added(col[j], path[i])) \
				sprintf(" (%+.1f %%)", 100 * added(col[j], path[i]) / cost["nobc", path[i]])
		row(a, k + 2)
	}
}

# Messages beside memcg's accounting of sockets, which pids+memory has and nothing else.
function messages(  i, p, a, ours, theirs)
{
	header("a message|nobc|no group|limited|cgroup, pids + memory|limited / cgroup", 1)
	for (i = 0; i <= nmessages; i++) {
		p = i ? message[i] : "dgram"
		ours = added("limited", p)
		theirs = cost["pids+memory", p] - cost["none", p]
		a[1] = title[p]
		a[2] = comma(cost["nobc", p])
		a[3] = signed(added("none", p))
		a[4] = signed(ours)
		a[5] = signed(theirs)
		a[6] = theirs > 0 ? sprintf("%.2f", ours / theirs) : ""
		row(a, 6)
	}
}

function absolutes(list,  i, j, k, n, col, a, text, any)
{
	n = split(list, col, " ")
	for (i = 1; i <= n; i++)
		if (has(col[i]) && (col[i], "mkdir") in cost) {
			col[++k] = col[i]
			text = text "|" col[k]
		}
	if (!k)
		return
	header("operation" text, 1)
	for (i = 1; i <= npaths; i++) {
		any = 0
		a[1] = title[path[i]]
		for (j = 1; j <= k; j++) {
			a[j + 1] = ""
			if (!(("nobc", path[i]) in cost) && (col[j], path[i]) in cost) {
				any = 1
				a[j + 1] = comma(cost[col[j], path[i]])
			}
		}
		if (any)
			row(a, k + 1)
	}
}

function added(s, p)
{
	return cost[s, p] - cost["nobc", p]
}

function needs(list,  i, n, a)
{
	n = split(list, a, " ")
	for (i = 1; i <= n; i++)
		if (!has(a[i])) {
			if (!(a[i] in absent))
				left_out = left_out " " a[i]
			absent[a[i]] = 1
			return 0
		}
	return 1
}

BEGIN {
	split("nobc none root group limited limited4 limited16 hier2 hier3 other10 other1000 other10000 pids pids+memory all all4 both", order, " ")
	norder = 17

	text = "null getppid, the control;fork fork + exit + wait;" \
		"exit kill a process with 64 pages + wait;" \
		"exec vfork + exec + exit + wait;pthread pthread create + join;" \
		"open open + close;pipe pipe + 2 close;unix UNIX socket + close;" \
		"udp UDP socket + close;tcp TCP socket + close;epoll epoll create + close;" \
		"inotify inotify init + close;watch add + remove an inotify watch;" \
		"mmap1 mmap, touch 1 page, munmap;mmap16 mmap, touch 16 pages, munmap;" \
		"mmap256 mmap, touch 256 pages, munmap;" \
		"brk brk, touch a page, and back;" \
		"mprotect mprotect a page, and back;mlock mlock + munlock a page;" \
		"shm mmap shared, touch a page, munmap;memfd memfd: write a page, truncate;" \
		"fcntl fcntl lock + unlock;" \
		"dgram UNIX datagram send + receive;" \
		"dgram1 UNIX datagram, 1 byte, there and back;" \
		"dgram1k UNIX datagram, 1 KB, there and back;" \
		"dgram64k UNIX datagram, 64 KB, there and back;" \
		"stream1 UNIX stream, 1 byte, there and back;" \
		"stream1k UNIX stream, 1 KB, there and back;" \
		"stream64k UNIX stream, 64 KB, there and back;" \
		"udp1 UDP on lo, 1 byte, there and back;" \
		"udp1k UDP on lo, 1 KB, there and back;" \
		"udp64k UDP on lo, 65,507 bytes, there and back;" \
		"tcp1 TCP on lo, 1 byte, there and back;" \
		"tcp1k TCP on lo, 1 KB, there and back;" \
		"tcp64k TCP on lo, 64 KB, there and back;" \
		"signal sigqueue + sigwaitinfo;" \
		"msg msgsnd + msgrcv (System V);" \
		"pty pty open + close;key add_key + unlink;" \
		"attach attach self: open, write 0, close;mkdir mkdir + rmdir;" \
		"held a counter: open, read, close;list list 10,000 tasks, an id;" \
		"walk list an empty group beside 10,000 tasks, a task;" \
		"move move 1,000 threads, a thread"
	npaths = split(text, t, ";")
	for (i = 1; i <= npaths; i++) {
		path[i] = substr(t[i], 1, index(t[i], " ") - 1)
		title[path[i]] = substr(t[i], index(t[i], " ") + 1)
	}

	nmessages = split("dgram1 dgram1k dgram64k stream1 stream1k stream64k udp1 udp1k udp64k tcp1 tcp1k tcp64k", message, " ")

	# What is charged in each; a socket is a file, too.
	split("open 1 pipe 2 unix 2 udp 2 tcp 2 epoll 1 inotify 2 watch 1 fcntl 1 signal 1 pty 2 key 1 fork 1 pthread 1", t, " ")
	for (i = 1; i in t; i += 2) {
		charged[++ncharged] = t[i]
		objects[t[i]] = t[i + 1]
	}
}

FNR == 1 {
	file = FILENAME
	sub(/\.txt$/, "", file)
}

file ~ /\.[0-9]+$/ {
	run = situation = file
	sub(/.*\./, "", run)
	sub(/\.[0-9]+$/, "", situation)
	if (run == 1)
		cost[situation, $1] = $2
	digits[situation, run] = digits[situation, run] " " $1 "=" $2
	if (run > runs)
		runs = run
	next
}

file == "refused" {
	gsub(",", "")
	nrefused++
	opened[nrefused] = $2
	refused[nrefused] = $4
	storm[nrefused] = $8
}

file ~ /^sizes/ {
	size[file, $2] = $3
	if (!($2 in cache_seen)) {
		cache_seen[$2] = 1
		cache[++ncaches] = $2
	}
}

file ~ /^memory-/ {
	kind = substr(file, 8)
	if (NF == 3) {
		slab[kind, $2] = $3
		if (!($2 in slab_seen)) {
			slab_seen[$2] = 1
			slabs[++nslabs] = $2
		}
	} else {
		memory[kind, $1] = $2
	}
}

# The benchmark in the kernel: "bench: WHAT KIND ... FIGURE" somewhere in the line.
sub(/.* bench: /, "") {
	if ($1 == "depth")
		depth[$2, $3] = $4
	else
		pairs[$2, $3, $4] = $5
	if (!($2 in counter_seen)) {
		counter_seen[$2] = 1
		counter[++ncounters] = $2
	}
	next
}

/^not ok/ {
	print file ": " $0 >"/dev/stderr"
	exit_status = 2
	exit 2
}

file == "parallel" && NF == 4 {
	rate[$1, $2, $3] = $4
	if ($3 > cpus)
		cpus = $3
}

file ~ /^profile-/ {
	if (FNR == 1)
		profiles[++nprofiles] = file
	profile[file] = profile[file] "\n    " $0
}

END {
	if (exit_status)
		exit exit_status
	print "# What beancounters cost"
	print ""
	print "Instructions, in a guest of QEMU that counts them (`LAB=1 lab/vm`: one CPU, an"
	print "instruction is a nanosecond of its clock; memory has no latency there, and nothing"
	print "is contended). " about
	print ""
	print "A figure is the median of 201 rounds of 1 to 200 operations, after which the"
	print "timer ticks and RCU callbacks that hit some rounds are not in it; of lists"
	print "and of moves of 1,000 threads, the minimum of 3 and of 9. User space's share is in all of them. `rep stos`"
	print "counts once for each 8 bytes."

	if (has("nobc")) {
		print "\n## Repeatability\n"
		for (i = 1; i <= norder; i++) {
			s = order[i]
			if (!has(s))
				continue
			nboots++
			for (r = 2; (s, r) in digits; r++) {
				compared++
				if (digits[s, r] != digits[s, 1]) {
					ndiffer++
					n = split(digits[s, 1], a, " ")
					split(digits[s, r], b, " ")
					for (j = 1; j <= n; j++)
						if (a[j] != b[j])
							print "- " s ", run " r ": " b[j] " instead of " a[j]
				}
			}
		}
		if (runs < 2)
			print "Each situation was booted once: nothing to compare."
		else if (ndiffer)
			print "\n**" ndiffer " of " compared " runs differ from the first one of their situation.**"
		else
			print "Each of " nboots " situations was booted " runs " times, and all figures were the\nsame, to the last digit."

		# What beancounters have nothing to do with.
		n = split("null", t, " ")
		text = ""
		for (j = 1; j <= n; j++) {
			most = 0
			for (i = 2; order[i] != "pids"; i++) {
				if (!has(order[i]))
					continue
				d = added(order[i], t[j])
				if (d < 0)
					d = -d
				if (d > most)
					most = d
			}
			text = text (j == 1 ? "" : ", ") t[j] " " comma(most)
		}
		print "\nWhat a situation leaves behind makes a difference, too. The largest, in paths that"
		print "beancounters have nothing to do with, tells how much to make of the others:"
		print text "."

		print "\n## System calls\n"
		print "What is added to the kernel without beancounters (nobc). none: no group was ever"
		print "made; root: 100 groups exist, and the task is in none; group: in one without"
		print "limits; limited: with limits on everything."
		differences("none root group limited")
		print "\nIn a limited group 4 and 16 levels deep (with limits at each), and in one of each of"
		print "2 and 3 hierarchies that the controllers are divided among:"
		differences("limited4 limited16 hier2 hier3")
		print "\nIn a limited group next to 10, 1,000 and 10,000 others:"
		differences("other10 other1000 other10000")
		print "\ncgroup v2 on the kernel with beancounters, in a cgroup with these controllers and"
		print "limits (all: pids, memory, cpu and cpuset; all4: 4 levels deep), and both: in one"
		print "with all and in a limited beancounter:"
		differences("pids pids+memory all all4 both")

		if (has("none") && has("limited") && has("pids+memory")) {
			print "\n## Messages\n"
			print "Through sockets that the task has made where it is, all by one process, which sends"
			print "all of a message before it reads; limited has limits for the buffers of sockets, and"
			print "the cgroup has memory.max, so that its sockets are charged to it. cgroup: what is"
			print "added to the same kernel without groups."
			messages()
		}

		print "\n## Operations on groups\n"
		print "Beancounters (a new group has all controllers of the default hierarchy), and"
		print "cgroup v2 (a new directory has the situation's controllers)."
		absolutes("root group limited limited4 limited16 hier2 hier3 both")
		absolutes("other10 other1000 other10000 pids pids+memory all all4")
	}

	if (nrefused) {
		print "\n## A refused open\n"
		print "open(2) without the close, the median of 200, and of 2,000 in a row (a storm):"
		header("|succeeds|refused|in a storm", 1)
		for (i = 1; i <= nrefused; i++) {
			a[1] = i == 1 ? "nobody listens to events" : "bcctl events listens"
			a[2] = comma(opened[i])
			a[3] = comma(refused[i])
			a[4] = comma(storm[i])
			row(a, 4)
		}
	}

	print "\n## Targets\n"
	print "A is what cgroup v2 with pids, memory, cpu and cpuset adds at depth 1 to the same"
	print "kernel without groups (all - none). What beancounters add is against nobc. An object"
	print "is a task, a file, a socket, a lock, ... that is charged and uncharged."
	header("what|measured|at most|", 1)
	print "target,measured,bound,verdict" >(out "/targets.csv")
	if (needs("none")) {
		target("no group: fork (0.1 %)", added("none", "fork"), cost["nobc", "fork"] / 1000)
		# What a patched-out branch and an initialised pointer may be.
		target("no group: open (10 an object)", added("none", "open"), 10)
		target("no group: mmap, 1 page (0.1 %)", added("none", "mmap1"), cost["nobc", "mmap1"] / 1000)
		target("no group: mmap, 16 pages (0.1 %)", added("none", "mmap16"), cost["nobc", "mmap16"] / 1000)
		target("no group: mmap, 256 pages (0.1 %)", added("none", "mmap256"), cost["nobc", "mmap256"] / 1000)
		target("no group: UNIX socket (10 an object)", added("none", "unix"), 20)
		target("no group: UDP socket (10 an object)", added("none", "udp"), 20)
		target("no group: TCP socket (10 an object)", added("none", "tcp"), 20)
		# Two messages, charged where they are queued and uncharged where they are freed.
		for (i = 1; i <= nmessages; i++)
			target("no group: " message[i] " (10 for each end of a message)", added("none", message[i]), 40)
	}
	if (needs("none root")) {
		for (i = 1; i <= ncharged; i++) {
			p = charged[i]
			if (p != "pty" && p != "key" && p != "fork" && p != "pthread")
				target("in the root: " p ", more than no group, an object", \
				       (cost["root", p] - cost["none", p]) / objects[p], 5)
		}
		target("in the root: fork, more than no group (0.1 %)", cost["root", "fork"] - cost["none", "fork"], cost["nobc", "fork"] / 1000)
	}
	if (needs("none limited all")) {
		n = split("fork exit pthread open pipe unix udp tcp mmap1 mmap16 mmap256", t, " ")
		for (i = 1; i <= n; i++)
			target("limited: " t[i] ", A/4", added("limited", t[i]), (cost["all", t[i]] - cost["none", t[i]]) / 4)
		for (i = 1; i <= nmessages; i++)
			target("limited: " message[i] ", A/3", added("limited", message[i]), (cost["all", message[i]] - cost["none", message[i]]) / 3)
	}
	if (needs("limited")) {
		target("limited: an object, as kmemsize (msg)", added("limited", "msg"), 90)
		target("limited: fork (5 %)", added("limited", "fork"), cost["nobc", "fork"] / 20)
		target("limited: open", added("limited", "open"), 160)
		target("limited: pipe", added("limited", "pipe"), 800)
		target("limited: dgram", added("limited", "dgram"), 200)
		# What the mapping itself adds is in both.
		target("limited: a page touched and unmapped", (added("limited", "mmap256") - added("limited", "mmap16")) / 240, 100)
	}
	if (needs("limited limited4 limited16"))
		for (i = 1; i <= ncharged; i++) {
			p = charged[i]
			target("a further level: " p ", an object, of 4", (cost["limited4", p] - cost["limited", p]) / 3 / objects[p], 20)
			target("a further level: " p ", an object, of 16", (cost["limited16", p] - cost["limited", p]) / 15 / objects[p], 20)
		}
	if (needs("limited limited16"))
		# With credit, none; and what a round differs from another.
		target("a further level: a page touched and unmapped, of 16", (cost["limited16", "mmap256"] - cost["limited", "mmap256"]) / 15 / 256, 1)
	if (needs("other10 other10000")) {
		target("attach: next to 10,000 groups, times that next to 10", cost["other10000", "attach"] / cost["other10", "attach"], 1.2)
		target("mkdir + rmdir: next to 10,000 groups, times that next to 10", cost["other10000", "mkdir"] / cost["other10", "mkdir"], 1.2)
	}
	if (needs("all other10000")) {
		target("attach: next to 10,000 groups; cgroup, all, next to none", cost["other10000", "attach"], cost["all", "attach"])
		target("mkdir + rmdir: next to 10,000 groups; cgroup, all, next to none", cost["other10000", "mkdir"], cost["all", "mkdir"])
	}
	if (needs("limited")) {
		target("move a process of 1,000 threads, a thread", cost["limited", "move"], 2000)
		target("list tasks, a pid walked that is not listed", cost["limited", "walk"], 150)
		target("list tasks, a pid walked and listed", cost["limited", "list"], 150)
	}
	if (("bc", "total") in memory)
		target("memory: bytes of a group; cgroup, all", memory["bc", "total"], memory["all", "total"])
	if (("plain", 1) in depth)
		for (i = 1; i <= 2; i++) {
			k = i == 1 ? "plain" : "batched"
			target("a counter alone: charge and uncharge, " k, depth[k, 1], 80)
			target("a counter alone: a further level, " k ", of 16", (depth[k, 16] - depth[k, 1]) / 15, 20)
		}
	if (runs > 1)
		target("repeatability: runs that differ", ndiffer + 0, 0)
	print "\n" ntargets - missed " of " ntargets + 0 " met." (left_out == "" ? "" : " Not all was measured; missing for others:" left_out ".")

	if (nprofiles) {
		print "\n## Where the added instructions go\n"
		print "The kernel's functions, counted by a plugin for QEMU (`perf-scripts/profile`), in"
		print "operations that no interrupt has hit:"
		for (i = 1; i <= nprofiles; i++)
			print profile[profiles[i]]
	}

	if (("plain", 1) in depth) {
		print "\n## Counters alone\n"
		print "Instructions of a charge and its uncharge inside the kernel, with the loop around"
		print "them, by the number of levels (KUnit, `kernel/bc/counter_bench.c`). Tasks, ptys,"
		print "keys and inotify are plain, the others batched; page_counter is what memory cgroups"
		print "count with, behind a stock of each CPU."
		header("counter|1|2|4|8|16|a further level", 1)
		print "counter,levels,instructions" >(out "/counters.csv")
		for (i = 1; i <= ncounters; i++) {
			k = counter[i]
			a[1] = k
			for (j = 1; j <= 5; j++) {
				a[j + 1] = figure(depth[k, 2 ^ (j - 1)])
				print k "," 2 ^ (j - 1) "," depth[k, 2 ^ (j - 1)] >(out "/counters.csv")
			}
			a[7] = figure((depth[k, 16] - depth[k, 1]) / 15)
			row(a, 7)
		}
	}

	if (("bc", "total") in memory) {
		print "\n## Memory\n"
		print "Of one of 1,000 groups, in bytes, kernel with `slab_nomerge`, one CPU, and what can"
		print "be reclaimed has been: Slab + Percpu of /proc/meminfo, and its slabs. bc has all"
		print "controllers; bc-members is what the first task in a group adds (its css_group and"
		print "the hash of these); pids and all are cgroup v2."
		header("|bc|bc-members|pids|all", 1)
		split("bc bc-members pids all", kinds, " ")
		print "kind,what,bytes" >(out "/memory.csv")
		for (i = -1; i <= nslabs; i++) {
			a[1] = i == -1 ? "total" : i == 0 ? "per-CPU" : slabs[i]
			for (j = 1; j <= 4; j++) {
				k = kinds[j]
				v = i == -1 ? memory[k, "total"] : i == 0 ? memory[k, "percpu"] : slab[k, slabs[i]]
				a[j + 1] = v == "" ? "" : comma(v)
				if (v != "")
					print k "," a[1] "," v >(out "/memory.csv")
			}
			row(a, 5)
		}
		print "\nObjects whose size is not that of nobc, in bytes (0: there is no such cache):"
		header("cache|nobc|default", 1)
		for (i = 1; i <= ncaches; i++) {
			x = size["sizes-nobc", cache[i]] + 0
			y = size["sizes-default", cache[i]] + 0
			if (x == y)
				continue
			a[1] = cache[i]
			a[2] = x
			a[3] = y
			row(a, 3)
		}
		print "\ntask_struct is " size["sizes-default", "task_struct"] \
			", a file (filp) " size["sizes-default", "filp"] " bytes; sizes are rounded up to the alignment of their cache."
	}

	if (cpus) {
		print "\n## Parallel\n"
		print "Operations a second of processes on CPUs of their own, all together, as ratio of"
		print "all in one group to each in its own, and of one beancounter to one cgroup with"
		print "pids. The best of 7 rounds. **These are CPUs that QEMU emulates, " hostcpus " of the"
		print "host: how fast, and how contended, says nothing of real ones; the ratios vary by"
		print "several percent from run to run.** `bench_parallel` on a real machine tells more."
		header("operation|CPUs|one group, a second|shared / separate|pids: shared / separate|shared / shared pids|shared / no group", 1)
		split("open thread", t, " ")
		print "operation,where,cpus,rate" >(out "/parallel.csv")
		n = split("none bc-shared bc-separate pids-shared pids-separate", kinds, " ")
		for (i = 1; i <= 2; i++)
			for (c = 1; c <= cpus; c *= 2) {
				o = t[i]
				for (j = 1; j <= n; j++)
					print o "," kinds[j] "," c "," rate[o, kinds[j], c] >(out "/parallel.csv")
				a[1] = o == "open" ? "open + close" : "pthread create + join"
				a[2] = c
				a[3] = comma(rate[o, "bc-shared", c])
				a[4] = sprintf("%.2f", rate[o, "bc-shared", c] / rate[o, "bc-separate", c])
				a[5] = sprintf("%.2f", rate[o, "pids-shared", c] / rate[o, "pids-separate", c])
				a[6] = sprintf("%.2f", rate[o, "bc-shared", c] / rate[o, "pids-shared", c])
				a[7] = sprintf("%.2f", rate[o, "bc-shared", c] / rate[o, "none", c])
				row(a, 7)
			}

	}

	if (("plain", "shared", 1) in pairs) {
		print "\nThe same inside the kernel: millions of pairs of a charge and an uncharge a second,"
		print "of threads on CPUs of their own, all together (KUnit, `kernel/bc/counter_bench.c`)."
		print "siblings: a counter each, below a common parent."
		header("counter|CPUs|shared|siblings|separate|shared / separate|siblings / separate", 1)
		for (i = 1; i <= ncounters; i++)
			for (c = 1; c <= cpus; c *= 2) {
				k = counter[i]
				n = split("shared siblings separate", kinds, " ")
				a[1] = k
				a[2] = c
				for (j = 1; j <= n; j++) {
					v = pairs[k, kinds[j], c]
					print "counter-" k "," kinds[j] "," c "," v * 1000 >(out "/parallel.csv")
					a[j + 2] = sprintf("%.2f", v / 1000)
				}
				v = pairs[k, "separate", c]
				a[6] = v ? sprintf("%.2f", pairs[k, "shared", c] / v) : ""
				a[7] = v ? sprintf("%.2f", pairs[k, "siblings", c] / v) : ""
				row(a, 7)
			}
	}

	# The long form. What only groups have is compared with nothing.
	if (has("nobc")) {
		print "situation,path,instructions,delta,percent" >(out "/costs.csv")
		for (i = 1; i <= norder; i++)
			for (j = 1; j <= npaths; j++) {
				s = order[i]
				p = path[j]
				if (!((s, p) in cost))
					continue
				if (("nobc", p) in cost)
					print s "," p "," cost[s, p] "," added(s, p) "," \
						sprintf("%.2f", 100 * added(s, p) / cost["nobc", p]) >(out "/costs.csv")
				else
					print s "," p "," cost[s, p] ",," >(out "/costs.csv")
			}
	}
	exit ndiffer ? 1 : missed ? 3 : 0
}
