// SPDX-License-Identifier: GPL-2.0
/*
 * physpages: the less common ways to a page of one's own. Each is charged once, to the
 * group whose address space it is, whoever has made it, and given back.
 */
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "bc_phys.h"

/* Not in the headers of older systems. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY	0x10000
#endif

#define KSM "/sys/kernel/mm/ksm"
#define UFFD "/proc/sys/vm/unprivileged_userfaultfd"

/* So many pages, by each of them. */
#define PAGES 40

static const char *held = "physpages/held";
static const char *maxheld = "physpages/maxheld";
static const char *limit = "physpages/limit";
static const char *pss = "physpages/pss";

/* Write into the memory of a puppet. Return: 0 or -errno. */
static int put(int i, long addr, const void *data, size_t len)
{
	char path[32];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", bc_puppets[i].pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = pwrite(fd, data, len, addr);
	close(fd);
	return ret == (ssize_t)len ? 0 : -EIO;
}

/* Somebody else writes to it: the root's task, into memory of a group. */
TEST_F(phys, remote)
{
	long base = bc_get(self->a, held), p = bc_puppet_map(0, 0, PAGES, BC_RW, MAP_PRIVATE);
	long word = 0, i;
	struct iovec from = { &word, sizeof(word) };

	ASSERT_LT(0, p);
	for (i = 0; i < PAGES / 2; i++)
		EXPECT_EQ(0, put(0, p + i * BC_PAGE, &word, sizeof(word)));
	EXPECT_EQ(base + PAGES / 2, bc_get(self->a, held));
	for (; i < PAGES; i++) {
		struct iovec to = { (void *)(p + i * BC_PAGE), sizeof(word) };

		EXPECT_EQ(sizeof(word),
			  process_vm_writev(bc_puppets[0].pid, &from, 1, &to, 1, 0));
	}
	EXPECT_EQ(base + PAGES, bc_get(self->a, held));
	EXPECT_EQ(PAGES, bc_call(0, BC_CALL_CHECK, p, PAGES));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, PAGES * BC_PAGE));
	EXPECT_EQ(base, bc_settle(self->a, held, base));

	/* Over what it may not write to itself: a copy of its own, of a file's page. */
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, bc_puppets[0].pid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, bc_puppets[0].pid, NULL, NULL));
	ASSERT_EQ(bc_puppets[0].pid, waitpid(bc_puppets[0].pid, NULL, __WALL));
	base = bc_get(self->a, held);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, bc_puppets[0].pid, (void *)put, NULL);
	EXPECT_EQ(0, errno);
	EXPECT_EQ(base, bc_get(self->a, held));
	EXPECT_EQ(0, ptrace(PTRACE_POKETEXT, bc_puppets[0].pid, (void *)put, (void *)word));
	EXPECT_EQ(base + 1, bc_get(self->a, held));
	EXPECT_EQ(0, ptrace(PTRACE_POKETEXT, bc_puppets[0].pid, (void *)put, (void *)word));
	EXPECT_EQ(base + 1, bc_get(self->a, held));
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, bc_puppets[0].pid, NULL, NULL));
}

/* The file that a puppet has open as @theirs. Return: the descriptor, here; or -errno. */
static int take_file(int i, long theirs)
{
	int pidfd = syscall(SYS_pidfd_open, bc_puppets[i].pid, 0), fd;

	if (pidfd < 0)
		return -errno;
	fd = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	if (fd < 0)
		fd = -errno;
	close(pidfd);
	return fd;
}

/*
 * An address space whose faults somebody else answers. Return: the descriptor, here;
 * negative: an error.
 */
static int answer_faults(int i, long p, size_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = p, .len = pages * BC_PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	long theirs = bc_call(i, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int fd;

	if (theirs < 0)
		return theirs;
	fd = take_file(i, theirs);
	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))) {
		close(fd);
		fd = -EIO;
	}
	return fd;
}

TEST_F(phys, userfaultfd)
{
	static long data[PAGES * BC_PAGE / sizeof(long)];
	long base = bc_get(self->a, held), p = bc_puppet_map(0, 0, 2 * PAGES, BC_RW, MAP_PRIVATE);
	struct uffdio_copy copy = {
		.dst = p, .src = (unsigned long)data, .len = PAGES * BC_PAGE,
	};
	struct uffdio_zeropage zero = {
		.range = { .start = p + PAGES * BC_PAGE, .len = PAGES * BC_PAGE },
	};
	int fd, i;

	if (access(UFFD, F_OK))
		SKIP(return, "no userfaultfd(2)");
	ASSERT_LT(0, p);
	fd = answer_faults(0, p, 2 * PAGES);
	ASSERT_LE(0, fd);
	for (i = 0; i < PAGES; i++)
		data[i * BC_PAGE / sizeof(long)] = p + i * BC_PAGE;
	/* The page of zeroes is nobody's. */
	EXPECT_EQ(0, ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	EXPECT_EQ(base, bc_get(self->a, held));
	EXPECT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(base + PAGES, bc_get(self->a, held));
	EXPECT_EQ(base + PAGES, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, PAGES));
	/* They are there already. */
	EXPECT_EQ(-1, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(base + PAGES, bc_get(self->a, held));
	close(fd);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 2 * PAGES * BC_PAGE));
	EXPECT_EQ(base, bc_settle(self->a, held, base));
}

/* What comes from elsewhere above the limit is settled with the group's next page. */
TEST_F(phys, userfaultfd_at_the_limit)
{
	static char data[PAGES * BC_PAGE];
	long p = bc_puppet_map(0, 0, PAGES, BC_RW, MAP_PRIVATE), max;
	struct uffdio_copy copy = {
		.dst = p, .src = (unsigned long)data, .len = sizeof(data),
	};
	int fd;

	if (access(UFFD, F_OK))
		SKIP(return, "no userfaultfd(2)");
	ASSERT_LT(0, p);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	fd = answer_faults(0, p, PAGES);
	ASSERT_LE(0, fd);
	max = bc_get(self->a, held) + PAGES / 2;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	EXPECT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	close(fd);
	EXPECT_LT(0, bc_map_filled(0, 1));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_EQ(PAGES, bc_call(0, BC_CALL_CHECK, p, PAGES));
	EXPECT_EQ(0, bc_get(self->a, "physpages/oom_kills"));
}

/* An exec has an address space that nothing is in yet, for as long as it takes. */
TEST_F(phys, exec_in_progress)
{
	struct { char path[64]; long argv[3]; } args = { "/proc/self/exe" };
	struct uffd_msg msg;
	long p, q;
	int fd;

	if (access(UFFD, F_OK))
		SKIP(return, "no userfaultfd(2)");
	p = bc_puppet_map(0, 0, 2, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	q = bc_map_filled(0, 200);
	ASSERT_LT(0, q);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	args.argv[0] = p;
	args.argv[1] = p + BC_PAGE;
	ASSERT_EQ(0, put(0, p, &args, sizeof(args)));
	fd = answer_faults(0, p + BC_PAGE, 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bc_call_send(0, &(struct bc_call){
		.nr = SYS_execve, .arg = { p, p + offsetof(typeof(args), argv) } }));
	EXPECT_EQ(1, poll(&(struct pollfd){ fd, POLLIN }, 1, 10000));
	EXPECT_EQ(sizeof(msg), read(fd, &msg, sizeof(msg)));
	/* It waits for its argument. */
	bc_write("/proc/sys/vm", "drop_caches", "1");
	/* More than there is: it is looked for everywhere, the new one included. */
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "1000"));
	EXPECT_LE(200, bc_pages_of(0, "VmSwap"));
	bc_puppet_kill(0);
	close(fd);
}

/* Small pages become a huge one, and that small ones again. */
TEST_F(phys, collapse)
{
	long base = bc_get(self->a, held), p = bc_map_huge(0, 1), ret;
	char proc[32];

	if (p == -EINVAL)
		SKIP(return, "no huge pages");
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, BC_HUGE, MADV_NOHUGEPAGE));
	/* Half of them; the others come with the huge page. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, BC_HUGE_PAGES / 2));
	EXPECT_EQ(base + (long)BC_HUGE_PAGES / 2, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, BC_HUGE, MADV_HUGEPAGE));
	bc_write("/proc/sys/vm", "drop_caches", "1");
	ret = bc_call(0, SYS_madvise, p, BC_HUGE, MADV_COLLAPSE);
	if (ret == -ENOMEM || ret == -EAGAIN)
		SKIP(return, "no huge page to be had");
	EXPECT_EQ(0, ret);
	bc_proc_dir(proc, sizeof(proc), 0);
	EXPECT_EQ((long)BC_HUGE / 1024, bc_kb_of(proc, "smaps_rollup", "AnonHugePages"));
	EXPECT_EQ(base + (long)BC_HUGE_PAGES, bc_settle(self->a, held, base + BC_HUGE_PAGES));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, BC_HUGE_PAGES / 2));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, BC_HUGE));
	EXPECT_EQ(base, bc_settle(self->a, held, base));

	/* There is no room for it: it stays as it is, and nobody suffers. */
	p = bc_map_huge(0, 1);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, BC_HUGE, MADV_NOHUGEPAGE));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 10));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, BC_HUGE, MADV_HUGEPAGE));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 100));
	EXPECT_GT(0, bc_call(0, SYS_madvise, p, BC_HUGE, MADV_COLLAPSE));
	EXPECT_EQ(base + 10, bc_settle(self->a, held, base + 10));
	EXPECT_EQ(0, bc_get(self->a, "physpages/oom_kills"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 10));
}

/*
 * Of pages with the same in them, one stays, and all but one are given back; who writes to
 * it pays for a copy.
 */
TEST_F(phys, same_pages)
{
	static const char * const settings[] = { "sleep_millisecs", "pages_to_scan", "run" };
	long base_a, base_b, pss_a, pss_b, p, before[ARRAY_SIZE(settings)];
	size_t n;
	int i;

	if (access(KSM "/run", W_OK))
		SKIP(return, "no KSM");
	if (bc_get(KSM, "run") == 1 || bc_get(KSM, "pages_shared"))
		SKIP(return, "others use KSM");
	for (n = 0; n < ARRAY_SIZE(settings); n++)
		before[n] = bc_get(KSM, settings[n]);
	ASSERT_EQ(0, bc_start_in(self->b, 1));
	base_a = bc_get(self->a, held);
	base_b = bc_get(self->b, held);
	p = bc_map_filled(0, PAGES);
	ASSERT_LT(0, p);
	/* What is in a page is its address. */
	ASSERT_EQ(p, bc_puppet_map(1, p, PAGES, BC_RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE));
	EXPECT_EQ(0, bc_call(1, BC_CALL_FILL, p, PAGES));
	EXPECT_EQ(base_a + PAGES, bc_get(self->a, held));
	EXPECT_EQ(base_b + PAGES, bc_get(self->b, held));
	pss_a = bc_get(self->a, pss);
	pss_b = bc_get(self->b, pss);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, bc_call(i, SYS_madvise, p, PAGES * BC_PAGE, MADV_MERGEABLE));
	/* From here on, nothing ends the test before all is as it was. */
	EXPECT_EQ(0, bc_write(KSM, "sleep_millisecs", "1"));
	EXPECT_EQ(0, bc_write(KSM, "pages_to_scan", "1000"));
	EXPECT_EQ(0, bc_write(KSM, "run", "1"));
	EXPECT_EQ(PAGES, bc_settle(KSM, "pages_sharing", PAGES));
	/* One of the two has paid for each. */
	EXPECT_EQ(base_a + base_b + PAGES, bc_settle(self->dir, held, base_a + base_b + PAGES));
	/* And half of each is in both, whoever has. Some pages are the test's own. */
	EXPECT_GE(3, labs(pss_a - PAGES / 2 - bc_get(self->a, pss)));
	EXPECT_GE(3, labs(pss_b - PAGES / 2 - bc_get(self->b, pss)));
	EXPECT_EQ(0, bc_write(KSM, "run", "0"));

	EXPECT_EQ(0, bc_call(1, BC_CALL_FILL, p, PAGES));
	EXPECT_EQ(base_a + base_b + 2 * PAGES, bc_get(self->dir, held));
	EXPECT_LE(base_b + PAGES, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, PAGES));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, bc_call(i, SYS_munmap, p, PAGES * BC_PAGE));
	EXPECT_EQ(base_a + base_b, bc_settle(self->dir, held, base_a + base_b));
	EXPECT_EQ(0, bc_write(KSM, "run", "2"));
	for (n = 0; n < ARRAY_SIZE(settings); n++)
		EXPECT_EQ(0, bc_write(KSM, settings[n], "%ld", before[n]));
}

/* What the kernel has a hold on is copied by fork(2) at once: the child has pages to pay. */
TEST_F(phys, fork_of_pinned)
{
	struct io_uring_params params = { };
	struct iovec iov = { .iov_len = PAGES * BC_PAGE };
	long p, q, fd, base;

	if (access("/proc/sys/kernel/io_uring_disabled", F_OK))
		SKIP(return, "no io_uring");
	/*
	 * What it has from who has started it, nobody has paid for: a copy of that stays with
	 * it, and is paid for, or goes with its child, whoever of them is the first to write.
	 */
	ASSERT_EQ(0, bc_puppet_exec(0));
	bc_warm_up(0);
	p = bc_map_filled(0, PAGES);
	q = bc_map_filled(0, 1);
	ASSERT_LT(0, p);
	ASSERT_LT(0, q);
	/* Without these, it has its stack and little else. */
	base = bc_get(self->a, held);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	bc_warm_up(1);
	EXPECT_GT(base + PAGES / 2, bc_get(self->a, held));
	bc_puppet_kill(1);

	EXPECT_EQ(0, put(0, q, &params, sizeof(params)));
	fd = bc_call(0, SYS_io_uring_setup, 1, q);
	ASSERT_LE(0, fd);
	iov.iov_base = (void *)p;
	EXPECT_EQ(0, put(0, q, &iov, sizeof(iov)));
	ASSERT_EQ(0, bc_call(0, SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, q, 1));
	bc_warm_up(0);
	base = bc_get(self->a, held);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	bc_warm_up(1);
	EXPECT_LE(base + PAGES, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, PAGES));
	bc_puppet_kill(1);
	EXPECT_EQ(base, bc_settle(self->a, held, base));
}

/* So many pages are read at once. */
#define READS 8

/**
 * struct ring - an io_uring of a puppet, which we have mapped, too
 * @pid: of the puppet
 * @fd: its descriptor, here
 * @params: what the kernel says of it
 * @map: both rings
 * @size: of that
 * @sqe: what is to be done
 */
struct ring {
	pid_t pid;
	int fd;
	struct io_uring_params params;
	char *map;
	size_t size;
	struct io_uring_sqe *sqe;
};

/* One whose thread looks by itself for what is to be done. @q is a page of the puppet's. */
static int make_ring(struct ring *r, int i, long q)
{
	struct iovec ours = { &r->params, sizeof(r->params) };
	struct iovec its = { (void *)q, sizeof(r->params) };
	long fd;
	int err;

	r->params = (struct io_uring_params){
		.flags = IORING_SETUP_SQPOLL | IORING_SETUP_NO_SQARRAY,
		.sq_thread_idle = 100,
	};
	r->pid = bc_puppets[i].pid;
	err = put(i, q, &r->params, sizeof(r->params));
	if (err)
		return err;
	fd = bc_call(i, SYS_io_uring_setup, READS, q);
	if (fd < 0)
		return fd;
	if (process_vm_readv(r->pid, &ours, 1, &its, 1, 0) != sizeof(r->params))
		return -EIO;
	r->fd = take_file(i, fd);
	if (r->fd < 0)
		return r->fd;
	r->size = r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe);
	r->map = mmap(NULL, r->size, BC_RW, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	if (r->map == MAP_FAILED)
		return -errno;
	r->sqe = mmap(NULL, READS * sizeof(*r->sqe), BC_RW, MAP_SHARED, r->fd,
		      IORING_OFF_SQES);
	return r->sqe == MAP_FAILED ? -errno : 0;
}

static void drop_ring(struct ring *r)
{
	munmap(r->sqe, READS * sizeof(*r->sqe));
	munmap(r->map, r->size);
	close(r->fd);
}

/* Let the thread read from @file to pages from @p on. Return: how many it has. */
static int read_pages(struct ring *r, int file, long p)
{
	const struct io_cqring_offsets *off = &r->params.cq_off;
	struct io_uring_cqe *cqe = (void *)(r->map + off->cqes);
	unsigned int *tail = (void *)(r->map + off->tail), *head = (void *)(r->map + off->head);
	unsigned int i, first = *head;
	double end = bc_now() + 20;
	int done = 0;

	for (i = 0; i < READS; i++) {
		r->sqe[i] = (struct io_uring_sqe){
			.opcode = IORING_OP_READ,
			.fd = file,
			.addr = p + i * BC_PAGE,
			.len = BC_PAGE,
		};
	}
	/* All at once: they are one round of the thread's. */
	__atomic_fetch_add((unsigned int *)(r->map + r->params.sq_off.tail), READS,
			   __ATOMIC_SEQ_CST);
	if (syscall(SYS_io_uring_enter, r->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
		return -errno;
	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) - first < READS && bc_now() < end &&
	       !bc_is_gone(r->pid))
		usleep(1000);
	for (i = first; i != __atomic_load_n(tail, __ATOMIC_ACQUIRE); i++)
		done += cqe[i % r->params.cq_entries].res == (int)BC_PAGE;
	__atomic_store_n(head, i, __ATOMIC_RELEASE);
	return done;
}

/*
 * A thread in the kernel touches memory of a process that sleeps, and never returns to user
 * mode: there is room to be made after each round.
 */
TEST_F(phys, io_uring_polls)
{
	const int rounds = 50;
	long p, q, file, max;
	struct ring ring;
	int i, err;

	if (access("/proc/sys/kernel/io_uring_disabled", F_OK))
		SKIP(return, "no io_uring");
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	q = bc_map_filled(0, 1);
	ASSERT_LT(0, q);
	p = bc_puppet_map(0, 0, (rounds + 1) * READS, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	file = bc_call(0, SYS_openat, AT_FDCWD, (long)"/dev/zero", O_RDONLY);
	ASSERT_LE(0, file);
	err = make_ring(&ring, 0, q);
	ASSERT_EQ(0, err);
	max = bc_get(self->a, held) + PAGES;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	/* It has seen what CPUs had as credit. */
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	for (i = 0; i < rounds; i++)
		EXPECT_EQ(READS, read_pages(&ring, file, p + i * READS * BC_PAGE));
	EXPECT_GE(max + READS, bc_get(self->a, maxheld));
	EXPECT_EQ(0, bc_get(self->a, "physpages/oom_kills"));
	/* The last round may not have been settled yet. */
	EXPECT_LE(rounds * READS - 2 * PAGES, bc_pages_of(0, "VmSwap"));

	/*
	 * Without swap, the process is killed for what its thread does. That may be what the
	 * thread has not settled yet: then, there is nobody to read.
	 */
	EXPECT_EQ(0, bc_swap_off(&self->swap));
	read_pages(&ring, file, p + i * READS * BC_PAGE);
	EXPECT_EQ(1, bc_settle(self->a, "physpages/oom_kills", 1));
	EXPECT_EQ(-EPIPE, bc_call(0, SYS_getpid, 0));
	drop_ring(&ring);
	/* A zombie cannot be reaped before its thread has gone. */
	bc_reap(bc_puppets[0].pid);
	bc_puppets[0].pid = 0;
}

/* Pages that are moved in memory take what they are charged with along. */
TEST_F(phys, migration)
{
	long p = bc_map_filled(0, 200), base = bc_get(self->a, held), i;
	void *page[200];
	int node[200], status[200], moved = 0;

	ASSERT_LT(0, p);
	if (access("/sys/devices/system/node/node1", F_OK)) {
		if (bc_write("/proc/sys/vm", "compact_memory", "1"))
			SKIP(return, "nowhere to move to");
		moved = 1;
	}
	for (i = 0; i < 200 && !moved; i++) {
		page[i] = (void *)(p + i * BC_PAGE);
		node[i] = i % 2;
	}
	if (!moved) {
		bc_write("/proc/sys/vm", "drop_caches", "1");
		EXPECT_LE(0, syscall(SYS_move_pages, bc_puppets[0].pid, 200UL, page, node,
				     status, MPOL_MF_MOVE));
		for (i = 0; i < 200; i++)
			moved += status[i] == node[i];
		EXPECT_LE(150, moved);
	}
	EXPECT_EQ(base, bc_settle(self->a, held, base));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 200));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 200 * BC_PAGE));
	EXPECT_EQ(base - 200, bc_settle(self->a, held, base - 200));
}

/* A breakpoint in a file's page is a copy of it. */
TEST_F(phys, uprobe)
{
	const char *enable = BC_TRACING "/events/uprobes/bc_selftest";
	char maps[PATH_MAX] = "", exe[PATH_MAX], line[512];
	unsigned long start = 0, end, offset = 0;
	long base, len;
	FILE *f;

	if (!bc_tracing() || access(BC_TRACING "/uprobe_events", W_OK))
		SKIP(return, "no uprobes");
	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	ASSERT_LT(0, len);
	exe[len] = 0;
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx r-xp %lx %*s %*s %s", &start, &end, &offset, maps) == 4 &&
		    (unsigned long)put >= start && (unsigned long)put < end)
			break;
		start = 0;
	}
	if (f)
		fclose(f);
	ASSERT_NE(0, start);
	offset += (unsigned long)put - start;
	base = bc_get(self->a, held);
	if (bc_write(BC_TRACING, "uprobe_events", "p:uprobes/bc_selftest %s:0x%lx", exe, offset))
		SKIP(return, "no uprobe in this file");
	EXPECT_EQ(0, bc_write(enable, "enable", "1"));
	EXPECT_EQ(base + 1, bc_settle(self->a, held, base + 1));
	EXPECT_EQ(0, bc_write(enable, "enable", "0"));
	/* The file's page may be mapped again. */
	EXPECT_GE(base + 1, bc_get(self->a, held));
	EXPECT_EQ(0, bc_write(BC_TRACING, "uprobe_events", "-:uprobes/bc_selftest"));
	EXPECT_EQ(0, bc_get(self->a, "physpages/failcnt"));
	EXPECT_LE(base + 1, bc_get(self->a, maxheld));
}

TEST_HARNESS_MAIN
