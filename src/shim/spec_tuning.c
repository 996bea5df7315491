#include "base/error.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <ctype.h>
#include <sched.h>

#define IOPRIO_CLASS_SHIFT 13

/* What may be among the words, and the number each stands for. */
struct word {
	const char *text;
	uint32_t number;
};

static int as_word(const struct node *node, const struct word *words, size_t count, uint32_t *ret,
                   struct error *err)
{
	const char *text = NULL;

	if (node_as_str(node, &text, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (str_eq(words[i].text, text)) {
			*ret = words[i].number;
			return 0;
		}
	}
	return node_error(node, err, "\"%s\" is not known", text);
}

/* A word of a table as its number; *ret is kept when the key is missing. */
static int parse_word(const struct node *object, const char *key, const struct word *words,
                      size_t count, uint32_t *ret, struct error *err)
{
	struct node node = node_child(object, key);

	return node_exists(&node) ? as_word(&node, words, count, ret, err) : 0;
}

/* An array of words as the sum of their numbers. */
static int parse_words(const struct node *object, const char *key, const struct word *words,
                       size_t count, uint32_t *ret, struct error *err)
{
	struct node list;

	if (node_array(object, key, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		uint32_t bit = 0;

		if (as_word(&item, words, count, &bit, err) < 0)
			return -1;
		*ret |= bit;
	}
	return 0;
}

/* "0-3,7" as bits. */
static int parse_numbers(const struct node *object, const char *key, struct spec_numbers *ret,
                         struct error *err)
{
	struct node node = node_child(object, key);
	const char *at = NULL;

	if (!node_exists(&node))
		return 0;
	if (node_as_str(&node, &at, err) < 0)
		return -1;
	while (*at) {
		unsigned long first, last;
		char *end;

		at += strspn(at, ", \t\n");
		if (!*at)
			break;
		if (!isdigit((unsigned char)*at))
			return node_error(&node, err, "must be as \"0-3,7\"");
		first = last = strtoul(at, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (!strchr(", \t\n", *end) || first > last)
			return node_error(&node, err, "must be as \"0-3,7\"");
		if (last >= SPEC_NUMBERS_MAX)
			return node_error(&node, err, "has a number above %d",
			                  SPEC_NUMBERS_MAX - 1);
		for (unsigned long number = first; number <= last; number++)
			ret->bits[number / 64] |= UINT64_C(1) << number % 64;
		ret->is_set = true;
		at = end;
	}
	return 0;
}

static int parse_io_priority(struct spec_process *process, const struct node *node,
                             struct error *err)
{
	static const struct word classes[] = {
		{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
	struct node io;
	uint32_t class = 2;
	int64_t priority = 0;

	if (node_object(node, "ioPriority", &io, err) < 0)
		return -1;
	if (!node_exists(&io))
		return 0;
	if (node_need(&io, "class", err) < 0 ||
	    parse_word(&io, "class", classes, ARRAY_LEN(classes), &class, err) < 0 ||
	    node_int(&io, "priority", 0, 7, &priority, err) < 0)
		return -1;
	process->has_io_priority = true;
	process->io_priority = (int)(class << IOPRIO_CLASS_SHIFT | (uint32_t)priority);
	return 0;
}

/* What the kernel would refuse as EINVAL alone, in crun's words; see sched(7). */
static int check_deadline(const struct spec_scheduler *wanted, const struct node *node,
                          struct error *err)
{
	static const char call[] = "sched_setattr: `SCHED_DEADLINE`";
	const uint64_t least = 1024, most = UINT64_C(1) << 63;
	const struct {
		const char *name;
		uint64_t value;
	} times[] = {{"runtime", wanted->runtime}, {"deadline", wanted->deadline}};

	if (wanted->policy != 6) /* SCHED_DEADLINE */
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct node item = node_child(node, times[i].name);

		if (!node_exists(&item))
			return node_error(node, err, "%s requires `%s`", call, times[i].name);
		if (!times[i].value)
			return node_error(node, err, "%s %s must be greater than 0", call,
			                  times[i].name);
	}
	if (wanted->runtime > wanted->deadline)
		return node_error(node, err, "%s runtime must be <= deadline", call);
	if (wanted->period && wanted->deadline > wanted->period)
		return node_error(node, err, "%s deadline must be <= period", call);
	if (wanted->runtime < least || wanted->runtime >= most)
		return node_error(node, err, "%s runtime must be between 1024 and 2^63-1 ns", call);
	return 0;
}

static int parse_scheduler(struct spec_process *process, const struct node *node, struct error *err)
{
	static const struct word policies[] = {
		{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},      {"SCHED_BATCH", 3},
		{"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};
	static const struct word flags[] = {
		{"SCHED_FLAG_RESET_ON_FORK", 1},   {"SCHED_FLAG_RECLAIM", 2},
		{"SCHED_FLAG_DL_OVERRUN", 4},      {"SCHED_FLAG_KEEP_POLICY", 8},
		{"SCHED_FLAG_KEEP_PARAMS", 16},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 32},
		{"SCHED_FLAG_UTIL_CLAMP_MAX", 64},
	};
	struct spec_scheduler *scheduler = &process->scheduler;
	struct node object;
	uint32_t bits = 0;
	int64_t nice_value = 0, priority = 0;

	if (node_object(node, "scheduler", &object, err) < 0)
		return -1;
	if (!node_exists(&object))
		return 0;
	if (node_need(&object, "policy", err) < 0 ||
	    parse_word(&object, "policy", policies, ARRAY_LEN(policies), &scheduler->policy, err) <
	            0 ||
	    node_int(&object, "nice", -20, 19, &nice_value, err) < 0 ||
	    node_int(&object, "priority", 0, 99, &priority, err) < 0 ||
	    parse_words(&object, "flags", flags, ARRAY_LEN(flags), &bits, err) < 0 ||
	    node_u64(&object, "runtime", &scheduler->runtime, err) < 0 ||
	    node_u64(&object, "deadline", &scheduler->deadline, err) < 0 ||
	    node_u64(&object, "period", &scheduler->period, err) < 0)
		return -1;
	scheduler->flags = bits;
	scheduler->nice = (int32_t)nice_value;
	scheduler->priority = (uint32_t)priority;
	process->has_scheduler = true;
	return check_deadline(scheduler, &object, err);
}

static int parse_affinity(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node affinity;

	if (node_object(node, "execCPUAffinity", &affinity, err) < 0 ||
	    parse_numbers(&affinity, "initial", &process->first_cpus, err) < 0)
		return -1;
	return parse_numbers(&affinity, "final", &process->cpus, err);
}

int spec_process_tuning_parse(struct spec_process *process, const struct node *node,
                              struct error *err)
{
	if (parse_io_priority(process, node, err) < 0 || parse_scheduler(process, node, err) < 0)
		return -1;
	return parse_affinity(process, node, err);
}

int spec_memory_policy_parse(struct spec_memory_policy *policy, const struct node *node,
                             struct error *err)
{
	/* linux/mempolicy.h; the last is of Linux 6.9. */
	static const struct word modes[] = {{"MPOL_DEFAULT", 0},
	                                    {"MPOL_PREFERRED", 1},
	                                    {"MPOL_BIND", 2},
	                                    {"MPOL_INTERLEAVE", 3},
	                                    {"MPOL_LOCAL", 4},
	                                    {"MPOL_PREFERRED_MANY", 5},
	                                    {"MPOL_WEIGHTED_INTERLEAVE", 6}};
	static const struct word flags[] = {{"MPOL_F_NUMA_BALANCING", 1 << 13},
	                                    {"MPOL_F_RELATIVE_NODES", 1 << 14},
	                                    {"MPOL_F_STATIC_NODES", 1 << 15}};
	struct node object;
	uint32_t mode = 0;

	if (node_object(node, "memoryPolicy", &object, err) < 0)
		return -1;
	if (!node_exists(&object))
		return 0;
	if (node_need(&object, "mode", err) < 0 ||
	    parse_word(&object, "mode", modes, ARRAY_LEN(modes), &mode, err) < 0 ||
	    parse_words(&object, "flags", flags, ARRAY_LEN(flags), &mode, err) < 0 ||
	    parse_numbers(&object, "nodes", &policy->nodes, err) < 0)
		return -1;
	policy->is_set = true;
	policy->mode = mode;
	return 0;
}
