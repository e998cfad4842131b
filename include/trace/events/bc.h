/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bc

#if !defined(_TRACE_BC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_BC_H

#include <linux/bc/core.h>
#include <linux/minmax.h>
#include <linux/tracepoint.h>

/* A longer path loses its beginning: an event has to fit into a page. */
#define BC_TRACE_PATH_MAX	512
#define bc_trace_path_size(group) \
	min_t(size_t, bc_group_path(group, NULL, 0) + 1, BC_TRACE_PATH_MAX)

/* All counters of a group, as text. */
#define BC_TRACE_COUNTERS_MAX	2048

TRACE_EVENT(bc_charge_fail,

	TP_PROTO(struct bc_group *group, struct bc_group *refuser,
		 const char *resource, unsigned long amount, unsigned long held,
		 unsigned long limit),

	TP_ARGS(group, refuser, resource, amount, held, limit),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, refuser_id)
		__field(unsigned long, amount)
		__field(unsigned long, held)
		__field(unsigned long, limit)
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
		__string(resource, resource)
		__dynamic_array(char, path, bc_trace_path_size(group))
		__dynamic_array(char, refuser_path, bc_trace_path_size(refuser))
	),

	TP_fast_assign(
		__entry->id = group->id;
		__entry->refuser_id = refuser->id;
		__entry->amount = amount;
		__entry->held = held;
		__entry->limit = limit;
		__entry->pid = in_task() ? task_pid_nr(current) : 0;
		memset(__entry->comm, 0, TASK_COMM_LEN);
		if (in_task())
			/* Its end is always 0. */
			data_race(memcpy(__entry->comm, current->comm, TASK_COMM_LEN));
		__assign_str(resource);
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
		bc_group_path(refuser, __get_dynamic_array(refuser_path),
			      __get_dynamic_array_len(refuser_path));
	),

	TP_printk("%s amount=%lu group=%s id=%llu refused by %s id=%llu held=%lu limit=%lu pid=%d comm=%s",
		  __get_str(resource), __entry->amount, __get_str(path),
		  __entry->id, __get_str(refuser_path), __entry->refuser_id,
		  __entry->held, __entry->limit, __entry->pid, __entry->comm)
);

TRACE_EVENT(bc_prune,

	TP_PROTO(struct bc_group *group, unsigned long target, unsigned long freed,
		 unsigned long objects, unsigned long looked, unsigned int waits),

	TP_ARGS(group, target, freed, objects, looked, waits),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(unsigned long, target)
		__field(unsigned long, freed)
		__field(unsigned long, objects)
		__field(unsigned long, looked)
		__field(unsigned int, waits)
		__dynamic_array(char, path, bc_trace_path_size(group))
	),

	TP_fast_assign(
		__entry->id = group->id;
		__entry->target = target;
		__entry->freed = freed;
		__entry->objects = objects;
		__entry->looked = looked;
		__entry->waits = waits;
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
	),

	TP_printk("group=%s id=%llu target=%lu freed=%lu objects=%lu looked=%lu waits=%u",
		  __get_str(path), __entry->id, __entry->target, __entry->freed,
		  __entry->objects, __entry->looked, __entry->waits)
);

TRACE_EVENT(bc_reclaim,

	TP_PROTO(struct bc_group *group, unsigned long target, unsigned long freed,
		 unsigned long looked),

	TP_ARGS(group, target, freed, looked),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(unsigned long, target)
		__field(unsigned long, freed)
		__field(unsigned long, looked)
		__dynamic_array(char, path, bc_trace_path_size(group))
	),

	TP_fast_assign(
		__entry->id = group->id;
		__entry->target = target;
		__entry->freed = freed;
		__entry->looked = looked;
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
	),

	TP_printk("group=%s id=%llu target=%lu freed=%lu looked=%lu",
		  __get_str(path), __entry->id, __entry->target, __entry->freed,
		  __entry->looked)
);

TRACE_EVENT(bc_oom,

	TP_PROTO(struct bc_group *group, struct bc_group *refuser,
		 struct task_struct *victim, unsigned long held, unsigned long limit),

	TP_ARGS(group, refuser, victim, held, limit),

	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, refuser_id)
		__field(unsigned long, held)
		__field(unsigned long, limit)
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
		__dynamic_array(char, path, bc_trace_path_size(group))
		__dynamic_array(char, refuser_path, bc_trace_path_size(refuser))
	),

	TP_fast_assign(
		__entry->id = group->id;
		__entry->refuser_id = refuser->id;
		__entry->held = held;
		__entry->limit = limit;
		__entry->pid = task_pid_nr(victim);
		/* Its end is always 0. */
		data_race(memcpy(__entry->comm, victim->comm, TASK_COMM_LEN));
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
		bc_group_path(refuser, __get_dynamic_array(refuser_path),
			      __get_dynamic_array_len(refuser_path));
	),

	TP_printk("group=%s id=%llu no room in %s id=%llu held=%lu limit=%lu pid=%d comm=%s",
		  __get_str(path), __entry->id, __get_str(refuser_path),
		  __entry->refuser_id, __entry->held, __entry->limit, __entry->pid,
		  __entry->comm)
);

TRACE_EVENT(bc_attach,

	TP_PROTO(struct bc_group *group, struct task_struct *task),

	TP_ARGS(group, task),

	TP_STRUCT__entry(
		__field(unsigned int, hierarchy)
		__field(u64, id)
		__field(pid_t, pid)
		__array(char, comm, TASK_COMM_LEN)
		__dynamic_array(char, path, bc_trace_path_size(group))
	),

	TP_fast_assign(
		__entry->hierarchy = group->hierarchy->id;
		__entry->id = group->id;
		__entry->pid = task_pid_nr(task);
		/* Its end is always 0. */
		data_race(memcpy(__entry->comm, task->comm, TASK_COMM_LEN));
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
	),

	TP_printk("hierarchy=%u group=%s id=%llu pid=%d comm=%s",
		  __entry->hierarchy, __get_str(path), __entry->id, __entry->pid,
		  __entry->comm)
);

TRACE_EVENT(bc_mkdir,

	TP_PROTO(struct bc_group *group),

	TP_ARGS(group),

	TP_STRUCT__entry(
		__field(unsigned int, hierarchy)
		__field(u64, id)
		__dynamic_array(char, path, bc_trace_path_size(group))
	),

	TP_fast_assign(
		__entry->hierarchy = group->hierarchy->id;
		__entry->id = group->id;
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
	),

	TP_printk("hierarchy=%u group=%s id=%llu", __entry->hierarchy,
		  __get_str(path), __entry->id)
);

TRACE_EVENT(bc_rmdir,

	TP_PROTO(struct bc_group *group),

	TP_ARGS(group),

	TP_STRUCT__entry(
		__field(unsigned int, hierarchy)
		__field(u64, id)
		__dynamic_array(char, path, bc_trace_path_size(group))
		__dynamic_array(char, counters, BC_TRACE_COUNTERS_MAX)
	),

	TP_fast_assign(
		__entry->hierarchy = group->hierarchy->id;
		__entry->id = group->id;
		bc_group_path(group, __get_dynamic_array(path),
			      __get_dynamic_array_len(path));
		bc_group_counters(group, __get_dynamic_array(counters),
				  BC_TRACE_COUNTERS_MAX);
	),

	TP_printk("hierarchy=%u group=%s id=%llu%s", __entry->hierarchy,
		  __get_str(path), __entry->id, __get_str(counters))
);

#endif /* _TRACE_BC_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
