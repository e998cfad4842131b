// SPDX-License-Identifier: GPL-2.0
/*
 * numiptent: rules of nftables, iptables and ebtables, and elements of sets, in a network
 * namespace of the test's own. With plain sockets: to build and run this takes no library.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/netfilter_bridge.h>
#include <linux/netfilter_bridge/ebtables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "bc_proc.h"

static const char *held = "numiptent/held";
static const char *limit = "numiptent/limit";
static const char *failcnt = "numiptent/failcnt";

/*
 * nftables: a batch is in as a whole, or not at all
 */

/**
 * struct batch - messages on their way
 * @len: bytes in @buf
 * @msg: where the message begins that is being written
 * @seq: its number
 * @buf: the messages
 */
struct batch {
	size_t len, msg;
	unsigned int seq;
	char buf[65536];
};

static void *put(struct batch *b, size_t len)
{
	void *p = b->buf + b->len;

	if (b->len + NLMSG_ALIGN(len) > sizeof(b->buf))
		abort();
	memset(p, 0, NLMSG_ALIGN(len));
	b->len += NLMSG_ALIGN(len);
	return p;
}

static void begin(struct batch *b, int type, int flags, int family, int res_id)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *nfg;

	b->msg = b->len;
	nlh = put(b, sizeof(*nlh));
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++b->seq;
	nfg = put(b, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res_id);
}

static struct nlmsghdr *end(struct batch *b)
{
	struct nlmsghdr *nlh = (void *)(b->buf + b->msg);

	nlh->nlmsg_len = b->len - b->msg;
	return nlh;
}

static void attr(struct batch *b, int type, const void *data, size_t len)
{
	struct nlattr *nla = put(b, sizeof(*nla) + len);

	nla->nla_type = type;
	nla->nla_len = sizeof(*nla) + len;
	memcpy(nla + 1, data, len);
}

static void attr_str(struct batch *b, int type, const char *s)
{
	attr(b, type, s, strlen(s) + 1);
}

static void attr_u32(struct batch *b, int type, uint32_t val)
{
	val = htonl(val);
	attr(b, type, &val, sizeof(val));
}

static void attr_u64(struct batch *b, int type, uint64_t val)
{
	uint32_t half[2] = { htonl(val >> 32), htonl(val) };

	attr(b, type, half, sizeof(half));
}

static size_t nest(struct batch *b, int type)
{
	size_t at = b->len;
	struct nlattr *nla = put(b, sizeof(*nla));

	nla->nla_type = type | NLA_F_NESTED;
	return at;
}

static void nest_end(struct batch *b, size_t at)
{
	((struct nlattr *)(b->buf + at))->nla_len = b->len - at;
}

static void batch_start(struct batch *b)
{
	b->len = 0;
	b->seq = 0;
	begin(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end(b);
}

static void nft_begin(struct batch *b, int msg, int flags)
{
	begin(b, NFNL_SUBSYS_NFTABLES << 8 | msg, flags, NFPROTO_IPV4, 0);
}

static void add_table(struct batch *b)
{
	nft_begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	attr_str(b, NFTA_TABLE_NAME, "t");
	end(b);
}

/* With @hook, all that is sent comes by. */
static void add_chain(struct batch *b, bool hook)
{
	size_t at;

	nft_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	attr_str(b, NFTA_CHAIN_TABLE, "t");
	attr_str(b, NFTA_CHAIN_NAME, "c");
	if (hook) {
		at = nest(b, NFTA_CHAIN_HOOK);
		attr_u32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
		attr_u32(b, NFTA_HOOK_PRIORITY, 0);
		nest_end(b, at);
		attr_str(b, NFTA_CHAIN_TYPE, "filter");
	}
	end(b);
}

static void add_rules(struct batch *b, const char *chain, int n)
{
	while (n--) {
		nft_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
		attr_str(b, NFTA_RULE_TABLE, "t");
		attr_str(b, NFTA_RULE_CHAIN, chain);
		end(b);
	}
}

/* All there are. */
static void del_rules(struct batch *b)
{
	nft_begin(b, NFT_MSG_DELRULE, 0);
	attr_str(b, NFTA_RULE_TABLE, "t");
	attr_str(b, NFTA_RULE_CHAIN, "c");
	end(b);
}

static void del_table(struct batch *b)
{
	nft_begin(b, NFT_MSG_DELTABLE, 0);
	attr_str(b, NFTA_TABLE_NAME, "t");
	end(b);
}

/* With @size, it is known how many there can be, and there is a simpler kind for that. */
static void add_set(struct batch *b, unsigned int flags, unsigned int size,
		    unsigned int timeout_ms)
{
	size_t at;

	nft_begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	attr_str(b, NFTA_SET_TABLE, "t");
	attr_str(b, NFTA_SET_NAME, "s");
	attr_u32(b, NFTA_SET_FLAGS, flags);
	attr_u32(b, NFTA_SET_KEY_TYPE, 7);	/* an address, to user space */
	attr_u32(b, NFTA_SET_KEY_LEN, 4);
	attr_u32(b, NFTA_SET_ID, 1);
	if (size) {
		at = nest(b, NFTA_SET_DESC);
		attr_u32(b, NFTA_SET_DESC_SIZE, size);
		nest_end(b, at);
	}
	if (timeout_ms) {
		attr_u64(b, NFTA_SET_TIMEOUT, timeout_ms);
		attr_u32(b, NFTA_SET_GC_INTERVAL, 100);
	}
	end(b);
}

static void elem(struct batch *b, uint32_t key, bool interval_end)
{
	size_t at = nest(b, NFTA_LIST_ELEM), nested;

	nested = nest(b, NFTA_SET_ELEM_KEY);
	attr_u32(b, NFTA_DATA_VALUE, key);
	nest_end(b, nested);
	if (interval_end)
		attr_u32(b, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nest_end(b, at);
}

/* Addresses number @first to @first + @n, with gaps, in one message. */
static void elems(struct batch *b, int msg, int flags, bool intervals, int first, int n)
{
	size_t list;

	nft_begin(b, msg, flags);
	attr_str(b, NFTA_SET_ELEM_LIST_TABLE, "t");
	attr_str(b, NFTA_SET_ELEM_LIST_SET, "s");
	list = nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	while (n--) {
		elem(b, 0x0a000000 + 4 * first, false);
		if (intervals)
			elem(b, 0x0a000001 + 4 * first, true);
		first++;
	}
	nest_end(b, list);
	end(b);
}

static void add_elems(struct batch *b, int first, int n)
{
	elems(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, false, first, n);
}

static void del_elems(struct batch *b, int first, int n)
{
	elems(b, NFT_MSG_DELSETELEM, 0, false, first, n);
}

/* A rule that adds to the set where each packet goes to. */
static void add_dynset(struct batch *b)
{
	size_t list, at, data;

	nft_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	attr_str(b, NFTA_RULE_TABLE, "t");
	attr_str(b, NFTA_RULE_CHAIN, "c");
	list = nest(b, NFTA_RULE_EXPRESSIONS);
	at = nest(b, NFTA_LIST_ELEM);
	attr_str(b, NFTA_EXPR_NAME, "payload");
	data = nest(b, NFTA_EXPR_DATA);
	attr_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	attr_u32(b, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	attr_u32(b, NFTA_PAYLOAD_OFFSET, 16);
	attr_u32(b, NFTA_PAYLOAD_LEN, 4);
	nest_end(b, data);
	nest_end(b, at);
	at = nest(b, NFTA_LIST_ELEM);
	attr_str(b, NFTA_EXPR_NAME, "dynset");
	data = nest(b, NFTA_EXPR_DATA);
	attr_str(b, NFTA_DYNSET_SET_NAME, "s");
	attr_u32(b, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
	attr_u32(b, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
	nest_end(b, data);
	nest_end(b, at);
	nest_end(b, list);
	end(b);
}

/*
 * Wait for the answer to message @seq. The first error of all until then, or 0. ENOMEM ends
 * a batch at once, whichever message it is said of.
 */
static int answer(int fd, unsigned int seq)
{
	long buf[1024];
	struct nlmsghdr *nlh = (void *)buf;
	struct nlmsgerr *e = NLMSG_DATA(nlh);
	int err = 0;

	for (;;) {
		if (recv(fd, buf, sizeof(buf), 0) < (ssize_t)NLMSG_LENGTH(sizeof(*e)))
			return -EIO;
		if (nlh->nlmsg_type != NLMSG_ERROR)
			return -EPROTO;
		err = err ?: e->error;
		if (nlh->nlmsg_seq == seq || e->error == -ENOMEM)
			return err;
	}
}

/* Only the last message is acknowledged. */
static int commit(int fd, struct batch *b)
{
	unsigned int seq;

	end(b)->nlmsg_flags |= NLM_F_ACK;
	seq = b->seq;
	begin(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end(b);
	if (send(fd, b->buf, b->len, 0) != (ssize_t)b->len)
		return -errno;
	return answer(fd, seq);
}

/* How many rules, or elements, there are. */
static int dump(int fd, int msg, int list, int name, const char *of)
{
	static struct batch b;
	static long buf[8192];
	struct nlmsghdr *nlh;
	struct nlattr *nla, *nested;
	int n = 0, len, left, rest;

	b.len = 0;
	nft_begin(&b, msg, NLM_F_DUMP);
	attr_str(&b, NFTA_RULE_TABLE, "t");
	attr_str(&b, name, of);
	end(&b);
	if (send(fd, b.buf, b.len, 0) < 0)
		return -errno;
	for (;;) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 0)
			return -errno;
		for (nlh = (void *)buf; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return n;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;
			if (!list) {
				n++;
				continue;
			}
			nla = NLMSG_DATA(nlh) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
			left = nlh->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
			for (; left >= NLA_HDRLEN; left -= NLA_ALIGN(nla->nla_len),
			     nla = (void *)nla + NLA_ALIGN(nla->nla_len)) {
				if ((nla->nla_type & NLA_TYPE_MASK) != list)
					continue;
				nested = nla + 1;
				rest = nla->nla_len - NLA_HDRLEN;
				for (; rest >= NLA_HDRLEN; n++) {
					rest -= NLA_ALIGN(nested->nla_len);
					nested = (void *)nested +
						 NLA_ALIGN(nested->nla_len);
				}
			}
		}
	}
}

static int count_rules(int fd)
{
	return dump(fd, NFT_MSG_GETRULE, 0, NFTA_RULE_CHAIN, "c");
}

static int count_elems(int fd)
{
	return dump(fd, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_ELEMENTS,
		    NFTA_SET_ELEM_LIST_SET, "s");
}

static int nft_socket(void)
{
	struct timeval tv = { .tv_sec = 30 };
	int one = 1, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	/* Or each error would have all of the message in it. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		ifr.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
}

static bool has_nft(int fd)
{
	struct batch *b = calloc(1, sizeof(*b));
	int err;

	batch_start(b);
	add_table(b);
	add_chain(b, false);
	err = commit(fd, b);
	free(b);
	return !err;
}

/* Sockets are made outside: the group holds nothing but what the test is about. */
struct nft {
	char dir[64];
	int fd;
	struct batch *b;
};

static void set_up(struct __test_metadata *_metadata, struct nft *nft)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, held) == -ENOENT)
		SKIP(return, "no numiptent in this kernel: CONFIG_NETFILTER");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, bc_set_up(nft->dir, sizeof(nft->dir)));
	loopback_up();
	nft->fd = nft_socket();
	nft->b = calloc(1, sizeof(*nft->b));
	ASSERT_NE(NULL, nft->b);
	if (!has_nft(nft->fd))
		SKIP(return, "no nftables: CONFIG_NF_TABLES");
}

static void tear_down(struct __test_metadata *_metadata, struct nft *nft)
{
	if (!nft->dir[0])
		return;
	bc_write(BC_ROOT, "tasks", "0");
	batch_start(nft->b);
	del_table(nft->b);
	commit(nft->fd, nft->b);
	bc_expect_clean(_metadata, nft->dir);
}

FIXTURE(ipt) {
	struct nft nft;
};

FIXTURE_SETUP(ipt)
{
	set_up(_metadata, &self->nft);
}

FIXTURE_TEARDOWN(ipt)
{
	tear_down(_metadata, &self->nft);
}

static int move_in(const char *dir)
{
	return bc_write(dir, "tasks", "0");
}

static int move_out(void)
{
	return bc_write(BC_ROOT, "tasks", "0");
}

/* Do what is in the batch as one of the group. */
static int commit_in(const char *dir, int fd, struct batch *b)
{
	int err = move_in(dir), ret;

	ret = err ?: commit(fd, b);
	return move_out() ?: ret;
}

static int rules_in(const char *dir, int fd, struct batch *b, int n)
{
	batch_start(b);
	add_rules(b, "c", n);
	return commit_in(dir, fd, b);
}

TEST_F(ipt, stay)
{
	EXPECT_EQ(0, bc_get(self->nft.dir, held));
	EXPECT_EQ(0, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 5));
	EXPECT_EQ(5, bc_get(self->nft.dir, held));
	/* Who is in the root pays for none, and may take those of others away. */
	batch_start(self->nft.b);
	add_rules(self->nft.b, "c", 2);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(5, bc_get(self->nft.dir, held));
	EXPECT_EQ(7, count_rules(self->nft.fd));
	batch_start(self->nft.b);
	del_rules(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(5, bc_get(self->nft.dir, "numiptent/maxheld"));

	/* With the table. */
	EXPECT_EQ(0, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 3));
	EXPECT_EQ(3, bc_get(self->nft.dir, held));
	batch_start(self->nft.b);
	del_table(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
}

/* Refused is refused as a whole. */
TEST_F(ipt, refuse)
{
	ASSERT_EQ(0, bc_write(self->nft.dir, limit, "3"));
	EXPECT_EQ(-ENOMEM, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 4));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(0, count_rules(self->nft.fd));
	EXPECT_EQ(1, bc_get(self->nft.dir, failcnt));
	EXPECT_EQ(3, bc_get(self->nft.dir, "numiptent/maxheld"));

	EXPECT_EQ(0, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 3));
	EXPECT_EQ(-ENOMEM, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 1));
	EXPECT_EQ(3, bc_get(self->nft.dir, held));
	EXPECT_EQ(3, count_rules(self->nft.fd));
	EXPECT_EQ(2, bc_get(self->nft.dir, failcnt));

	/* What the batch takes away is there until it is in, and stays if it is not. */
	batch_start(self->nft.b);
	del_rules(self->nft.b);
	add_rules(self->nft.b, "c", 1);
	EXPECT_EQ(-ENOMEM, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(3, count_rules(self->nft.fd));
	EXPECT_EQ(3, bc_get(self->nft.dir, held));

	batch_start(self->nft.b);
	del_rules(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(0, rules_in(self->nft.dir, self->nft.fd, self->nft.b, 3));
	EXPECT_EQ(3, bc_get(self->nft.dir, held));
}

TEST_F(ipt, refuse_above)
{
	char leaf[128];

	ASSERT_EQ(0, bc_mkdir(self->nft.dir, "a"));
	bc_path(leaf, self->nft.dir, "a");
	ASSERT_EQ(0, bc_write(self->nft.dir, limit, "2"));
	ASSERT_EQ(0, bc_write(leaf, limit, "5"));
	EXPECT_EQ(0, rules_in(leaf, self->nft.fd, self->nft.b, 2));
	EXPECT_EQ(2, bc_get(self->nft.dir, held));
	EXPECT_EQ(-ENOMEM, rules_in(leaf, self->nft.fd, self->nft.b, 1));
	EXPECT_EQ(2, bc_get(leaf, held));
	EXPECT_EQ(2, bc_get(self->nft.dir, held));
	EXPECT_EQ(1, bc_get(self->nft.dir, failcnt));
	EXPECT_EQ(0, bc_get(leaf, failcnt));
	EXPECT_EQ(2, count_rules(self->nft.fd));
}

/* A batch that fails for another reason gives back what it has charged. */
TEST_F(ipt, abort)
{
	batch_start(self->nft.b);
	add_set(self->nft.b, 0, 0, 0);
	add_rules(self->nft.b, "c", 5);
	add_elems(self->nft.b, 1, 5);
	add_rules(self->nft.b, "no such chain", 1);
	EXPECT_EQ(-ENOENT, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(11, bc_get(self->nft.dir, "numiptent/maxheld"));
	EXPECT_EQ(0, bc_get(self->nft.dir, failcnt));
	EXPECT_EQ(0, count_rules(self->nft.fd));
}

/* Rules and elements outlive their group, and count above it. */
TEST_F(ipt, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups());
	char leaf[128];

	ASSERT_EQ(0, bc_mkdir(self->nft.dir, "a"));
	bc_path(leaf, self->nft.dir, "a");
	batch_start(self->nft.b);
	add_set(self->nft.b, 0, 0, 0);
	add_elems(self->nft.b, 1, 3);
	add_rules(self->nft.b, "c", 2);
	EXPECT_EQ(0, commit_in(leaf, self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_rmdir(self->nft.dir, "a"));
	EXPECT_EQ(6, bc_get(self->nft.dir, held));
	batch_start(self->nft.b);
	del_elems(self->nft.b, 2, 1);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(5, bc_settle(self->nft.dir, held, 5));
	batch_start(self->nft.b);
	del_table(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	/* Then nothing is left of it. */
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

FIXTURE(set) {
	struct nft nft;
};

FIXTURE_VARIANT(set) {
	unsigned int flags, size;
};

FIXTURE_VARIANT_ADD(set, hash) { 0, 100 };
FIXTURE_VARIANT_ADD(set, rbtree) { NFT_SET_INTERVAL, 0 };
FIXTURE_VARIANT_ADD(set, rhashtable) { NFT_SET_EVAL | NFT_SET_TIMEOUT, 0 };

FIXTURE_SETUP(set)
{
	set_up(_metadata, &self->nft);
}

FIXTURE_TEARDOWN(set)
{
	tear_down(_metadata, &self->nft);
}

/* Of an interval, the beginning and the end are one each. */
TEST_F(set, elements)
{
	bool intervals = variant->flags & NFT_SET_INTERVAL;
	int per = intervals ? 2 : 1;

	batch_start(self->nft.b);
	add_set(self->nft.b, variant->flags, variant->size, 0);
	elems(self->nft.b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, intervals, 1, 4);
	EXPECT_EQ(0, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 4 * per, bc_get(self->nft.dir, held));
	/* What is there is not charged again. */
	batch_start(self->nft.b);
	elems(self->nft.b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, intervals, 3, 4);
	EXPECT_EQ(0, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 6 * per, bc_settle(self->nft.dir, held, 1 + 6 * per));
	EXPECT_EQ(6 * per, count_elems(self->nft.fd));
	/* Others pay for what they add. */
	batch_start(self->nft.b);
	elems(self->nft.b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, intervals, 10, 3);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 6 * per, bc_get(self->nft.dir, held));

	/* Refused as a whole. */
	ASSERT_EQ(0, bc_write(self->nft.dir, limit, "%d", 1 + 8 * per));
	batch_start(self->nft.b);
	elems(self->nft.b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, intervals, 20, 3);
	EXPECT_EQ(-ENOMEM, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 6 * per, bc_settle(self->nft.dir, held, 1 + 6 * per));
	EXPECT_EQ(9 * per, count_elems(self->nft.fd));
	EXPECT_EQ(1, bc_get(self->nft.dir, failcnt));
	batch_start(self->nft.b);
	elems(self->nft.b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, intervals, 20, 2);
	EXPECT_EQ(0, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 8 * per, bc_get(self->nft.dir, held));

	batch_start(self->nft.b);
	elems(self->nft.b, NFT_MSG_DELSETELEM, 0, intervals, 1, 2);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(1 + 6 * per, bc_settle(self->nft.dir, held, 1 + 6 * per));
	/* Only the set itself is left; then nothing. */
	batch_start(self->nft.b);
	nft_begin(self->nft.b, NFT_MSG_DELSETELEM, 0);
	attr_str(self->nft.b, NFTA_SET_ELEM_LIST_TABLE, "t");
	attr_str(self->nft.b, NFTA_SET_ELEM_LIST_SET, "s");
	end(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(1, bc_settle(self->nft.dir, held, 1));
	EXPECT_EQ(0, count_elems(self->nft.fd));
	batch_start(self->nft.b);
	del_table(self->nft.b);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
}

/* An element's time is up, and nobody has done anything. */
TEST_F(ipt, timeout)
{
	batch_start(self->nft.b);
	add_set(self->nft.b, NFT_SET_TIMEOUT, 0, 3000);
	EXPECT_EQ(0, commit(self->nft.fd, self->nft.b));
	batch_start(self->nft.b);
	add_elems(self->nft.b, 1, 20);
	EXPECT_EQ(0, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	/* By now, it may be up. */
	EXPECT_EQ(20, bc_get(self->nft.dir, "numiptent/maxheld"));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(0, count_elems(self->nft.fd));
}

/* One that takes what comes: nothing is answered, which would be packets, too. */
static int receiver(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in) { .sin_family = AF_INET };
	if (bind(fd, (void *)addr, len) || getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static int send_to(struct sockaddr_in *addr, uint32_t first, int n)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), sent = 0;

	while (n--) {
		addr->sin_addr.s_addr = htonl(first++);
		sent += sendto(fd, "x", 1, 0, (void *)addr, sizeof(*addr)) == 1;
	}
	close(fd);
	return sent;
}

/* What packets add, whosever they are: who has made the set pays. */
TEST_F(ipt, packets)
{
	struct sockaddr_in addr;
	int fd = receiver(&addr);

	ASSERT_LE(0, fd);
	batch_start(self->nft.b);
	del_table(self->nft.b);
	add_table(self->nft.b);
	add_chain(self->nft.b, true);
	add_set(self->nft.b, NFT_SET_EVAL, 0, 0);
	add_dynset(self->nft.b);
	EXPECT_EQ(0, commit_in(self->nft.dir, self->nft.fd, self->nft.b));
	EXPECT_EQ(2, bc_get(self->nft.dir, held));
	EXPECT_EQ(5, send_to(&addr, 0x7f000101, 5));
	EXPECT_EQ(7, bc_settle(self->nft.dir, held, 7));
	EXPECT_EQ(5, count_elems(self->nft.fd));

	/* Without room, nothing is added, and the packets go on. */
	ASSERT_EQ(0, bc_write(self->nft.dir, limit, "9"));
	EXPECT_EQ(10, send_to(&addr, 0x7f000201, 10));
	EXPECT_EQ(9, bc_get(self->nft.dir, held));
	EXPECT_EQ(7, count_elems(self->nft.fd));
	EXPECT_EQ(8, bc_get(self->nft.dir, failcnt));
	close(fd);
}

/* In a namespace that goes with its last process. */
static int filter(void *arg)
{
	struct batch *b = calloc(1, sizeof(*b));
	const char *dir = arg;
	int fd;

	if (unshare(CLONE_NEWNET))
		return 100;
	fd = nft_socket();
	batch_start(b);
	add_table(b);
	add_chain(b, false);
	add_set(b, 0, 0, 0);
	add_elems(b, 1, 10);
	add_rules(b, "c", 10);
	if (commit_in(dir, fd, b))
		return 101;
	if (bc_get(dir, held) != 21)
		return 102;
	return 0;
}

TEST_F(ipt, namespace_goes)
{
	EXPECT_EQ(0, bc_in_child(filter, self->nft.dir));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
	EXPECT_EQ(21, bc_get(self->nft.dir, "numiptent/maxheld"));
}

/* A user who has made both namespaces, and is not root anywhere else. */
static int user(void *arg)
{
	struct batch *b = calloc(1, sizeof(*b));
	const char *dir = arg;
	int fd, i, refused = 0;

	if (bc_write(dir, "tasks", "0"))
		return 100;
	bc_become(1000, 1000);
	if (bc_user_namespace() || unshare(CLONE_NEWNET))
		return 101;
	fd = nft_socket();
	batch_start(b);
	add_table(b);
	add_chain(b, false);
	add_rules(b, "c", 8);
	if (commit(fd, b))
		return 102;
	for (i = 0; i < 4; i++) {
		batch_start(b);
		add_rules(b, "c", 1);
		refused += commit(fd, b) == -ENOMEM;
	}
	if (bc_get(dir, held) != 10 || count_rules(fd) != 10)
		return 103;
	return refused;
}

TEST_F(ipt, user)
{
	ASSERT_EQ(0, bc_write(self->nft.dir, limit, "10"));
	EXPECT_EQ(2, bc_in_child(user, self->nft.dir));
	EXPECT_EQ(2, bc_get(self->nft.dir, failcnt));
	EXPECT_EQ(0, bc_settle(self->nft.dir, held, 0));
}

/*
 * iptables and ip6tables: a table is replaced as a whole
 */

/**
 * struct xt - a kind of tables
 * @family: of the socket
 * @level: of the socket's option
 * @entry: size of an entry
 * @target_offset: where it has the offset of its target
 */
struct xt {
	int family, level;
	size_t entry, target_offset;
};

static const struct xt ip4 = {
	AF_INET, SOL_IP, sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset),
};

static const struct xt ip6 = {
	AF_INET6, SOL_IPV6, sizeof(struct ip6t_entry),
	offsetof(struct ip6t_entry, target_offset),
};

/* As they are in the kernel: aligned. */
union xt_std {
	struct xt_standard_target t;
	uint64_t aligned;
};

union xt_err {
	struct xt_error_target t;
	uint64_t aligned;
};

static size_t put_entry(const struct xt *xt, char *p, const void *target, size_t size)
{
	uint16_t offsets[2] = { xt->entry, xt->entry + size };

	memset(p, 0, xt->entry);
	memcpy(p + xt->target_offset, offsets, sizeof(offsets));
	memcpy(p + xt->entry, target, size);
	return xt->entry + size;
}

/* The filter table with @n rules in INPUT. @old is how many entries it has now. */
static int xt_load(const struct xt *xt, int fd, int n, int old)
{
	static const int hooks[] = { NF_INET_LOCAL_IN, NF_INET_FORWARD, NF_INET_LOCAL_OUT };
	static struct xt_counters counters[1024];
	static char buf[65536];
	union xt_std accept = {
		.t.target.u.user.target_size = sizeof(accept),
		.t.verdict = -NF_ACCEPT - 1,
	};
	union xt_err error = {
		.t.target.u.user = { .target_size = sizeof(error), .name = XT_ERROR_TARGET },
		.t.errorname = "ERROR",
	};
	struct ipt_replace *repl = (void *)buf;
	char *entries = buf + sizeof(*repl);
	size_t len = 0;
	int i, j;

	memset(repl, 0, sizeof(*repl));
	snprintf(repl->name, sizeof(repl->name), "filter");
	for (i = 0; i < 3; i++) {
		repl->valid_hooks |= 1 << hooks[i];
		repl->hook_entry[hooks[i]] = len;
		for (j = 0; j < n && !i; j++)
			len += put_entry(xt, entries + len, &accept, sizeof(accept));
		repl->underflow[hooks[i]] = len;
		len += put_entry(xt, entries + len, &accept, sizeof(accept));
	}
	len += put_entry(xt, entries + len, &error, sizeof(error));
	repl->num_entries = n + 4;
	repl->size = len;
	repl->num_counters = old;
	repl->counters = counters;
	return setsockopt(fd, xt->level, IPT_SO_SET_REPLACE, buf,
			  sizeof(*repl) + len) ? -errno : 0;
}

static int xt_load_in(const char *dir, const struct xt *xt, int fd, int n, int old)
{
	int err = move_in(dir);

	err = err ?: xt_load(xt, fd, n, old);
	return move_out() ?: err;
}

FIXTURE(xt) {
	char dir[64];
	int fd;
};

FIXTURE_VARIANT(xt) {
	const struct xt *xt;
};

FIXTURE_VARIANT_ADD(xt, ip) { &ip4 };
FIXTURE_VARIANT_ADD(xt, ip6) { &ip6 };

FIXTURE_SETUP(xt)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, held) == -ENOENT)
		SKIP(return, "no numiptent in this kernel: CONFIG_NETFILTER");
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	self->fd = socket(variant->xt->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	/* The table that comes with the kernel, replaced by the same one. */
	if (self->fd < 0 || xt_load(variant->xt, self->fd, 0, 4))
		SKIP(return, "no such tables in this kernel");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(xt)
{
	if (!self->dir[0])
		return;
	bc_expect_clean(_metadata, self->dir);
}

TEST_F(xt, replace)
{
	const struct xt *xt = variant->xt;

	/* Policies, and the end of the table, are nobody's. */
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 0, 4));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 5, 4));
	EXPECT_EQ(5, bc_get(self->dir, held));

	/* To change rules takes no room, nor does it to have fewer. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "5"));
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 5, 9));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(-ENOMEM, xt_load_in(self->dir, xt, self->fd, 6, 9));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	/* It is still the old one, as it wants its counters. */
	EXPECT_EQ(-EAGAIN, xt_load_in(self->dir, xt, self->fd, 3, 10));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 3, 9));
	EXPECT_EQ(3, bc_get(self->dir, held));
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 5, 7));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(5, bc_get(self->dir, "numiptent/maxheld"));

	/* Whoever replaces it pays for all of it. */
	EXPECT_EQ(0, xt_load(xt, self->fd, 6, 9));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(-ENOMEM, xt_load_in(self->dir, xt, self->fd, 6, 10));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 4, 10));
	EXPECT_EQ(4, bc_get(self->dir, held));

	/* A flush. */
	EXPECT_EQ(0, xt_load_in(self->dir, xt, self->fd, 0, 8));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

TEST_F(xt, two_groups)
{
	const struct xt *xt = variant->xt;
	char a[96], b[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, xt_load_in(a, xt, self->fd, 4, 4));
	EXPECT_EQ(0, xt_load_in(b, xt, self->fd, 6, 8));
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_EQ(6, bc_get(b, held));
	EXPECT_EQ(6, bc_get(self->dir, held));
	/* Both tables are there for a moment: no room above. */
	EXPECT_EQ(-ENOMEM, xt_load_in(a, xt, self->fd, 5, 10));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(6, bc_get(b, held));
	/* It outlives the group. */
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
	EXPECT_EQ(6, bc_get(self->dir, held));
	EXPECT_EQ(0, xt_load(xt, self->fd, 0, 10));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

struct xt_user {
	const char *dir;
	const struct xt *xt;
};

static int be_xt_user(void *arg)
{
	struct xt_user *u = arg;
	int fd;

	if (bc_write(u->dir, "tasks", "0"))
		return 100;
	bc_become(1000, 1000);
	if (bc_user_namespace() || unshare(CLONE_NEWNET))
		return 101;
	fd = socket(u->xt->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (xt_load(u->xt, fd, 7, 4))
		return 102;
	if (xt_load(u->xt, fd, 8, 11) != -ENOMEM)
		return 103;
	return bc_get(u->dir, held);
}

/* In a namespace of one's own, which goes. */
TEST_F(xt, user)
{
	struct xt_user u = { self->dir, variant->xt };

	ASSERT_EQ(0, bc_write(self->dir, limit, "7"));
	EXPECT_EQ(7, bc_in_child(be_xt_user, &u));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/*
 * ebtables
 */

static int ebt_replace(int fd, int n)
{
	static const char * const names[] = { "INPUT", "FORWARD", "OUTPUT" };
	static long aligned[8192];
	char *buf = (void *)aligned;
	struct ebt_replace repl = {
		.name = "filter", .entries = buf, .nentries = n,
		.valid_hooks = 1 << NF_BR_LOCAL_IN | 1 << NF_BR_FORWARD |
			       1 << NF_BR_LOCAL_OUT,
	};
	size_t target = sizeof(struct ebt_standard_target);
	size_t len = 0, next = sizeof(struct ebt_entry) + ((target + 7) & ~7);
	int i, j;

	memset(buf, 0, sizeof(aligned));
	for (i = 0; i < 3; i++) {
		struct ebt_entries *chain = (void *)(buf + len);

		snprintf(chain->name, sizeof(chain->name), "%s", names[i]);
		chain->policy = EBT_ACCEPT;
		chain->counter_offset = i ? n : 0;
		chain->nentries = i ? 0 : n;
		repl.hook_entry[NF_BR_LOCAL_IN + i] = chain;
		len += sizeof(*chain);
		for (j = 0; j < n && !i; j++) {
			struct ebt_entry *e = (void *)(buf + len);
			struct ebt_standard_target *t;

			e->bitmask = EBT_ENTRY_OR_ENTRIES | EBT_NOPROTO;
			e->watchers_offset = sizeof(*e);
			e->target_offset = sizeof(*e);
			e->next_offset = next;
			t = (void *)e + e->target_offset;
			snprintf(t->target.u.name, sizeof(t->target.u.name),
				 EBT_STANDARD_TARGET);
			t->target.target_size = next - sizeof(*e) - sizeof(t->target);
			t->verdict = EBT_ACCEPT;
			len += next;
		}
	}
	repl.entries_size = len;
	/* The entries are not behind it, but count for its length. */
	memcpy(buf + len, &repl, sizeof(repl));
	return setsockopt(fd, SOL_IP, EBT_SO_SET_ENTRIES, buf + len,
			  sizeof(repl) + len) ? -errno : 0;
}

static int ebt_replace_in(const char *dir, int fd, int n)
{
	int err = move_in(dir);

	err = err ?: ebt_replace(fd, n);
	return move_out() ?: err;
}

TEST_F(bc, ebtables)
{
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (bc_get(BC_ROOT, held) == -ENOENT || ebt_replace(fd, 0))
		SKIP(return, "no numiptent, or no ebtables, in this kernel");
	EXPECT_EQ(0, ebt_replace_in(self->dir, fd, 0));
	EXPECT_EQ(0, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, limit, "6"));
	/* The first rule takes a reference to the table's module: it is given back. */
	EXPECT_EQ(-ENOMEM, ebt_replace_in(self->dir, fd, 7));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, ebt_replace_in(self->dir, fd, 5));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(-ENOMEM, ebt_replace_in(self->dir, fd, 7));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, ebt_replace_in(self->dir, fd, 6));
	EXPECT_EQ(6, bc_get(self->dir, held));
	EXPECT_EQ(0, ebt_replace_in(self->dir, fd, 2));
	EXPECT_EQ(2, bc_get(self->dir, held));
	EXPECT_EQ(0, ebt_replace(fd, 3));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, ebt_replace_in(self->dir, fd, 3));
	EXPECT_EQ(3, bc_get(self->dir, held));
	EXPECT_EQ(0, ebt_replace(fd, 0));
	EXPECT_EQ(0, bc_get(self->dir, held));
	close(fd);
}

TEST_HARNESS_MAIN
