# SPDX-License-Identifier: GPL-2.0
# Beancounters for Linux 6.12: build, boot, show, test.  "make help" explains.

VARIANT ?= default
SECONDS ?= 60
export VARIANT CONFIG JOBS CPUS MEM NODES SHARE LAB TIMEOUT APPEND SUDO MIRROR LINUX_TAR

kernel_dir = build/kernel$(if $(filter-out default,$(VARIANT)),-$(VARIANT))

.DEFAULT_GOAL := help
.PHONY: help demo test test-more model bench latency thrash stress stress-ng fuzz netapps containers profiles
.PHONY: kcsan rt arm64 machines scale
.PHONY: kernel vm initramfs check deb distro tree refresh apply patch packages clean

help:
	@echo 'make demo      a fork bomb, held by a beancounter, in a kernel built here'
	@echo 'make test      everything that CI runs: KUnit, kselftests, static checks'
	@echo 'make test-more what takes too long for that: broken on purpose, other kernels'
	@echo "               TEST='...' runs parts of both, which lab/test --help explains"
	@echo 'make model     the counters under weak memory ordering, all that can happen: Spin'
	@echo 'make bench     what it costs, in instructions: build/bench/report.md, tables and plots'
	@echo "               BENCH='...' are arguments of perf-scripts/bench, which --help explains"
	@echo 'make latency   how long interrupts and preemption are off at a stretch by what we do'
	@echo "               LATENCY='...' are arguments of perf-scripts/latency, which --help explains"
	@echo 'make thrash    groups that need more memory than they may have, beside cgroups'
	@echo "               THRASH='...' are arguments of perf-scripts/thrash, which --help explains"
	@echo 'make stress SECONDS=60   a mixed load, moves and removals, under the debug kernel'
	@echo 'make fuzz SECONDS=60     operations at random, held against a model of it all'
	@echo "               FUZZ='...' are options of test_model: --seed N repeats what one did"
	@echo 'make kcsan     KUnit, kselftests and stress under KCSAN: data races of ours'
	@echo 'make rt        the same with PREEMPT_RT and lockdep'
	@echo 'make arm64     the same on an emulated arm64'
	@echo 'make machines  what it compiles for, and with: lab/machines --help has the list'
	@echo "               MACHINES='...' are its arguments: some of them"
	@echo 'make scale     10,000 groups, 100,000 tasks, 1,000,000 files and locks'
	@echo "make stress-ng SECONDS=10   Debian's stress-ng in a limited group, so long for each class"
	@echo "make netapps   Debian's iperf3, nginx, nft and iptables in limited groups"
	@echo "make containers  crun, runc and podman with bc-oci-hook; VARIANT=distro"
	@echo "make profiles  what Debian's sshd, nginx, postgres and so on take; bcctl's profiles on them"
	@echo "               PROFILES='...' are arguments of lab/profiles, which --help explains"
	@echo
	@echo 'make kernel    build $(kernel_dir)/bzImage'
	@echo 'make vm        boot it and open a shell in the guest; ^D ends it'
	@echo "make vm RUN='command'   run a command in the guest; fails if it does, with its"
	@echo "               status in make's message ('lab/vm command' returns it)"
	@echo 'make check     checkpatch --strict, W=1 and sparse over our files'
	@echo
	@echo 'make deb       Debian packages, in build/deb: kernel, headers, bc-tools, libbc-dev, ...'
	@echo '               of VARIANT=distro, or of your own configuration: CONFIG=file'
	@echo 'make distro    a real Debian with these, booted with systemd in QEMU, and tests in it'
	@echo "               DISTRO='...' are arguments of lab/distro, which --help explains"
	@echo
	@echo 'make tree      bring build/linux (source, patches, overlay) up to date'
	@echo 'make refresh   turn the commits in build/linux back into patches/'
	@echo 'make apply KDIR=/path/to/linux-6.12   put all of it on another tree'
	@echo 'make patch     all of it as one patch: build/linux-6.12-beancounters.patch'
	@echo 'make packages  install the Debian packages that all this needs'
	@echo 'make clean     remove build/; the compiler cache (ccache) stays'
	@echo
	@echo 'Variables:'
	@echo '  VARIANT=default|debug|distro|nobc|latency|thrash|kcsan|rt|arm64   which kernel,'
	@echo '                               see lab/config/'
	@echo '  CONFIG=file                  for kernel and deb: a configuration of your own'
	@echo '  CPUS=2 MEM=1G NODES=1        the guest; NUMA nodes share CPUs and memory'
	@echo '  SHARE=dir                    show a folder of the host at /mnt in the guest'
	@echo '  LAB=1                        deterministic guest: an instruction is a nanosecond'
	@echo '  TIMEOUT=1800                 seconds until a guest with a command is killed'
	@echo '  APPEND=                      more for the kernel command line'
	@echo '  JOBS=N                       compilers at once'
	@echo '  SUDO=sudo                    let a user install packages'
	@echo '  MIRROR=                      where Debian bookworm is, for mmdebstrap'
	@echo '  LINUX_TAR=file               another linux-source-6.12.tar.xz'

packages:
	@lab/packages

tree: packages
	@lab/tree prepare

kernel: tree
	@lab/kernel

initramfs: tree
	@lab/initramfs

vm: kernel initramfs
	@lab/vm $(if $(value RUN),'$(subst ','\'',$(value RUN))')

demo profiles scale: export VARIANT = default
check stress stress-ng fuzz netapps: export VARIANT = debug
containers deb distro: export VARIANT = distro
stress-ng: SECONDS = 10

demo: kernel initramfs
	@demo/demo

test: tree
	@lab/test $(TEST)

test-more: TEST = slow sabotage nobc groups
test-more: tree
	@lab/test $(TEST)

model:
	@lab/model

stress: kernel initramfs
	@lab/stress $(SECONDS)

kcsan rt arm64: tree
	@lab/other $@

machines: tree
	@lab/machines $(MACHINES)

scale: kernel initramfs
	@lab/scale

stress-ng: kernel initramfs
	@lab/stress-ng $(SECONDS)

fuzz: kernel initramfs
	@lab/fuzz $(SECONDS) $(FUZZ)

netapps: kernel initramfs
	@lab/netapps

containers: kernel initramfs
	@lab/containers

profiles: kernel initramfs
	@lab/profiles $(PROFILES)

check: kernel
	@lab/check

deb: tree
	@lab/deb

distro: deb
	@lab/distro $(DISTRO)

bench:
	@perf-scripts/bench $(BENCH)

latency:
	@perf-scripts/latency $(LATENCY)

thrash:
	@perf-scripts/thrash $(THRASH)

refresh:
	@lab/tree refresh

apply: $(if $(KDIR),,no-kdir)
	@lab/tree apply "$(KDIR)"

patch: packages
	@lab/tree patch

.PHONY: no-kdir
no-kdir:
	@echo 'Say where: make apply KDIR=/path/to/linux-6.12' >&2; exit 2

clean:
	rm -rf build
