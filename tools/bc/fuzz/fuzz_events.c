// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: messages from netlink sockets, as events, as answers and as process events. All
 * that was parsed is looked at.
 */
#include <netlink/msg.h>
#include <string.h>

#include "../commands/bcctl.h"
#include "../commands/procevents.h"
#include "../libbc/internal.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static unsigned long long sum;

static void look_at(const char *s)
{
	sum += s ? strlen(s) : 0;
}

static void fetch(char *buf, size_t size)
{
	struct bc_controller controllers[] = { { .name = "numfiles" }, { .name = "numtasks" } };
	struct bc bc = { .controllers = controllers, .nr_controllers = 2 };
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct bc_fetched *f;
	int left = size, i;

	while (nlmsg_ok(nlh, left)) {
		bc_fetch_parse(&bc, 0x1c, nlh);
		nlh = nlmsg_next(nlh, &left);
	}
	f = bc_fetched(&bc, 0, "/web", false);
	for (i = 0; f && i < 2; i++)
		sum += (unsigned long long)f->counters[i].val[BC_HELD];
	bc_forget(&bc);
	free(bc.error);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct bc_event ev;
	const char *pos, *end;
	char *buf;
	unsigned int i;
	size_t left = size;
	int ret, n = 0;
	bool answer;

	/* As long as it is, so that a read beyond it is seen; and aligned. */
	buf = malloc(size ?: 1);
	memcpy(buf, data, size);
	pos = buf;
	end = buf + size;
	while ((ret = bc_event_parse(0x1c, &pos, &left, &ev))) {
		/* Each message has a header, so that this comes to an end. */
		if (++n > (int)(size / 16) + 1 || (left && pos + left > end))
			abort();
		if (ret < 0)
			continue;
		look_at(ev.group);
		look_at(ev.comm);
		look_at(ev.resource);
		look_at(ev.refuser);
		for (i = 0; i < ev.nr_counters; i++)
			look_at(ev.counters[i].resource);
	}
	fetch(buf, size);
	if (procevents_parse(buf, size, &answer) > 0 && answer)
		abort();
	free(buf);
	return 0;
}
