// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own netlink client, generated from our specification: prints a group, what
 * is dumped, or the events of a subtree. For test_netlink.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "beancounters-user.h"
#include "ynl.h"

static int fail(struct ynl_sock *ys)
{
	fprintf(stderr, "bc-ynl: %s\n", ys->err.msg);
	return 1;
}

static void print_counter(const struct beancounters_counter *c)
{
	printf(" %s %s %lld %lld %lld %lld %lld %lld", c->resource,
	       beancounters_unit_str(c->unit),
	       c->_present.held ? (long long)c->held : -1,
	       c->_present.maxheld ? (long long)c->maxheld : -1,
	       c->_present.minheld ? (long long)c->minheld : -1,
	       c->_present.barrier ? (long long)c->barrier : -1,
	       c->_present.limit ? (long long)c->limit : -1,
	       c->_present.failcnt ? (long long)c->failcnt : -1);
}

static void print_group(const struct beancounters_group_get_rsp *group)
{
	printf("%u %llu %s", group->hierarchy, (unsigned long long)group->group_id,
	       group->group_path);
	for (unsigned int i = 0; i < group->n_counter; i++)
		print_counter(&group->counter[i]);
	putchar('\n');
}

static int get(struct ynl_sock *ys, const char *path)
{
	struct beancounters_group_get_req *req = beancounters_group_get_req_alloc();
	struct beancounters_group_get_rsp *group;

	beancounters_group_get_req_set_group_path(req, path);
	group = beancounters_group_get(ys, req);
	beancounters_group_get_req_free(req);
	if (!group)
		return fail(ys);
	print_group(group);
	beancounters_group_get_rsp_free(group);
	return 0;
}

static int dump(struct ynl_sock *ys, const char *path)
{
	struct beancounters_group_get_req_dump *req;
	struct beancounters_group_get_list *list;

	req = beancounters_group_get_req_dump_alloc();
	if (path)
		beancounters_group_get_req_dump_set_group_path(req, path);
	list = beancounters_group_get_dump(ys, req);
	beancounters_group_get_req_dump_free(req);
	if (!list)
		return fail(ys);
	ynl_dump_foreach(list, group)
		print_group(group);
	beancounters_group_get_list_free(list);
	return 0;
}

/* Until the group is removed. */
static int events(struct ynl_sock *ys, const char *path)
{
	struct beancounters_subscribe_req *req = beancounters_subscribe_req_alloc();
	struct ynl_ntf_base_type *ntf;
	int err, cmd = 0;

	beancounters_subscribe_req_set_group_path(req, path);
	err = beancounters_subscribe(ys, req);
	beancounters_subscribe_req_free(req);
	if (err)
		return fail(ys);
	puts("ready");
	fflush(stdout);
	while (cmd != BC_CMD_REMOVED) {
		if (ynl_ntf_check(ys) < 0)
			return fail(ys);
		while ((ntf = ynl_ntf_dequeue(ys))) {
			cmd = ntf->cmd;
			printf("%s\n", beancounters_op_str(cmd));
			ynl_ntf_free(ntf);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ynl_error err;
	struct ynl_sock *ys;
	int ret;

	if (argc < 2) {
		fputs("usage: bc-ynl get PATH | dump [PATH] | events PATH\n", stderr);
		return 2;
	}
	ys = ynl_sock_create(&ynl_beancounters_family, &err);
	if (!ys) {
		fprintf(stderr, "bc-ynl: %s\n", err.msg);
		return 1;
	}
	if (!strcmp(argv[1], "events") && argc == 3)
		ret = events(ys, argv[2]);
	else if (!strcmp(argv[1], "get") && argc == 3)
		ret = get(ys, argv[2]);
	else
		ret = dump(ys, argv[2]);
	ynl_sock_destroy(ys);
	return ret;
}
