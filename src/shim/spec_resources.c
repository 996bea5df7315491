#include "base/error.h"
#include "base/strbuf.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <ctype.h>

/*
 * Numbers become the text of a file at once, in both versions; the conversions
 * are those of runc and crun, so that a limit means the same here.
 */

#define ANY (-1)

static const char *keep(struct spec_resources *res, char *text)
{
	strv_add_take(&res->owned, text);
	return text;
}

static const char *number(struct spec_resources *res, int64_t value)
{
	return keep(res, xasprintf("%lld", (long long)value));
}

/* As in v2, where "no limit" is a word. */
static const char *number_or_max(struct spec_resources *res, int64_t value)
{
	return value < 0 ? "max" : number(res, value);
}

static void add(struct spec_resources *res, struct spec_limit limit)
{
	*array_add(&res->limits) = limit;
}

/* An integer that may be missing; *is_set tells. */
static int get(const struct node *object, const char *key, int64_t min, int64_t *ret, bool *is_set,
               struct error *err)
{
	struct node node = node_child(object, key);

	*is_set = node_exists(&node);
	return node_int(object, key, min, INT64_MAX, ret, err);
}

static int parse_swap(struct spec_resources *res, const struct node *memory, int64_t limit,
                      bool has_limit, struct error *err)
{
	struct node node = node_child(memory, "swap");
	int64_t swap = 0;
	bool has_swap;

	if (get(memory, "swap", -1, &swap, &has_swap, err) < 0)
		return -1;
	if (!has_swap || swap == 0)
		return 0;
	if (swap > 0 && (!has_limit || limit <= 0))
		return node_error(&node, err, "needs linux.resources.memory.limit");
	if (swap > 0 && swap < limit)
		return node_error(&node, err, "is the sum of memory and swap and is below limit");
	/* v1 counts memory and swap together, v2 swap alone. */
	add(res, (struct spec_limit){"memory.swap", "memory", "memory.memsw.limit_in_bytes",
	                             number(res, swap), "memory.swap.max",
	                             number_or_max(res, swap < 0 ? -1 : swap - limit)});
	return 0;
}

static int parse_memory(struct spec_resources *res, const struct node *memory, struct error *err)
{
	int64_t limit = 0, reservation = 0, swappiness = 0, kernel = 0;
	bool has_limit, has_reservation, has_swappiness, has_kernel, no_oom_killer = false;

	if (get(memory, "limit", -1, &limit, &has_limit, err) < 0 ||
	    get(memory, "reservation", -1, &reservation, &has_reservation, err) < 0 ||
	    get(memory, "swappiness", -1, &swappiness, &has_swappiness, err) < 0 ||
	    get(memory, "kernelTCP", -1, &kernel, &has_kernel, err) < 0 ||
	    node_bool(memory, "disableOOMKiller", &no_oom_killer, err) < 0)
		return -1;
	if (has_limit && limit != 0)
		add(res, (struct spec_limit){"memory.limit", "memory", "memory.limit_in_bytes",
		                             number(res, limit), "memory.max",
		                             number_or_max(res, limit)});
	if (parse_swap(res, memory, limit, has_limit, err) < 0)
		return -1;
	if (has_reservation && reservation != 0)
		add(res, (struct spec_limit){"memory.reservation", "memory",
		                             "memory.soft_limit_in_bytes", number(res, reservation),
		                             "memory.low", number_or_max(res, reservation)});
	if (has_kernel && kernel > 0)
		add(res, (struct spec_limit){"memory.kernelTCP", "memory",
		                             "memory.kmem.tcp.limit_in_bytes", number(res, kernel),
		                             NULL, NULL});
	if (has_swappiness && swappiness >= 0)
		add(res, (struct spec_limit){"memory.swappiness", "memory", "memory.swappiness",
		                             number(res, swappiness), NULL, NULL});
	if (no_oom_killer)
		add(res, (struct spec_limit){"memory.disableOOMKiller", "memory",
		                             "memory.oom_control", "1", NULL, NULL});
	return 0;
}

static int parse_cpu_bandwidth(struct spec_resources *res, const struct node *cpu,
                               struct error *err)
{
	int64_t quota = -1, period = 100000, burst = 0;
	bool has_quota, has_period, has_burst;
	const char *v2;

	if (get(cpu, "quota", -1, &quota, &has_quota, err) < 0 ||
	    get(cpu, "period", 0, &period, &has_period, err) < 0 ||
	    get(cpu, "burst", 0, &burst, &has_burst, err) < 0)
		return -1;
	has_quota = has_quota && quota != 0;
	has_period = has_period && period != 0;
	if (has_period || has_quota) {
		v2 = keep(res, xasprintf("%s %lld", number_or_max(res, has_quota ? quota : -1),
		                         (long long)(has_period ? period : 100000)));
		if (has_period)
			add(res, (struct spec_limit){"cpu.period", "cpu", "cpu.cfs_period_us",
			                             number(res, period), "cpu.max", v2});
		if (has_quota)
			add(res, (struct spec_limit){"cpu.quota", "cpu", "cpu.cfs_quota_us",
			                             number(res, quota), "cpu.max", v2});
	}
	if (has_burst)
		add(res,
		    (struct spec_limit){"cpu.burst", "cpu", "cpu.cfs_burst_us", number(res, burst),
		                        "cpu.max.burst", number(res, burst)});
	return 0;
}

static int64_t weight_of_shares(int64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int parse_cpu(struct spec_resources *res, const struct node *cpu, struct error *err)
{
	int64_t shares = 0, idle = 0, rt_runtime = 0, rt_period = 0;
	bool has_shares, has_idle, has_rt_runtime, has_rt_period;
	const char *cpus = NULL, *mems = NULL;

	if (get(cpu, "shares", 0, &shares, &has_shares, err) < 0 ||
	    get(cpu, "idle", 0, &idle, &has_idle, err) < 0 ||
	    get(cpu, "realtimeRuntime", -1, &rt_runtime, &has_rt_runtime, err) < 0 ||
	    get(cpu, "realtimePeriod", 0, &rt_period, &has_rt_period, err) < 0 ||
	    node_str(cpu, "cpus", &cpus, err) < 0 || node_str(cpu, "mems", &mems, err) < 0)
		return -1;
	if (has_shares && shares != 0)
		add(res, (struct spec_limit){"cpu.shares", "cpu", "cpu.shares", number(res, shares),
		                             "cpu.weight", number(res, weight_of_shares(shares))});
	if (parse_cpu_bandwidth(res, cpu, err) < 0)
		return -1;
	if (has_idle)
		add(res, (struct spec_limit){"cpu.idle", "cpu", "cpu.idle", number(res, idle),
		                             "cpu.idle", number(res, idle)});
	if (has_rt_period && rt_period)
		add(res, (struct spec_limit){"cpu.realtimePeriod", "cpu", "cpu.rt_period_us",
		                             number(res, rt_period), NULL, NULL});
	if (has_rt_runtime && rt_runtime)
		add(res, (struct spec_limit){"cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us",
		                             number(res, rt_runtime), NULL, NULL});
	if (!str_empty(cpus))
		add(res, (struct spec_limit){"cpu.cpus", "cpuset", "cpuset.cpus", cpus,
		                             "cpuset.cpus", cpus});
	if (!str_empty(mems))
		add(res, (struct spec_limit){"cpu.mems", "cpuset", "cpuset.mems", mems,
		                             "cpuset.mems", mems});
	return 0;
}

static int parse_pids(struct spec_resources *res, const struct node *pids, struct error *err)
{
	int64_t limit = 0;
	bool has_limit;

	if (get(pids, "limit", INT64_MIN, &limit, &has_limit, err) < 0)
		return -1;
	if (has_limit && limit != 0)
		add(res, (struct spec_limit){"pids.limit", "pids", "pids.max",
		                             number_or_max(res, limit > 0 ? limit : -1), "pids.max",
		                             number_or_max(res, limit > 0 ? limit : -1)});
	return 0;
}

/* "8:0 1048576" for v1, "8:0 rbps=1048576" for v2. */
static int parse_throttle(struct spec_resources *res, const struct node *block, const char *key,
                          const char *v1_file, const char *v2_key, struct error *err)
{
	struct node list;

	if (node_array(block, key, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		uint32_t major = 0, minor = 0;
		uint64_t rate = 0;

		if (node_need_object(&item, err) < 0 || node_u32(&item, "major", &major, err) < 0 ||
		    node_u32(&item, "minor", &minor, err) < 0 ||
		    node_u64(&item, "rate", &rate, err) < 0)
			return -1;
		add(res,
		    (struct spec_limit){"blockIO.throttle", "blkio", v1_file,
		                        keep(res, xasprintf("%u:%u %llu", major, minor,
		                                            (unsigned long long)rate)),
		                        "io.max",
		                        keep(res, xasprintf("%u:%u %s=%llu", major, minor, v2_key,
		                                            (unsigned long long)rate))});
	}
	return 0;
}

/* leafWeight was of a scheduler that Linux 5.0 took out; where it is asked for it is told. */
static int parse_device_weights(struct spec_resources *res, const struct node *block,
                                struct error *err)
{
	struct node list;

	if (node_array(block, "weightDevice", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		uint32_t major = 0, minor = 0;
		int64_t weight = 0, leaf = 0;
		const char *text;

		if (node_need_object(&item, err) < 0 || node_u32(&item, "major", &major, err) < 0 ||
		    node_u32(&item, "minor", &minor, err) < 0 ||
		    node_int(&item, "weight", 0, 1000, &weight, err) < 0 ||
		    node_int(&item, "leafWeight", 0, 1000, &leaf, err) < 0)
			return -1;
		if (leaf > 0)
			return node_unsupported(&item, "leafWeight", err);
		text = keep(res, xasprintf("%u:%u %lld", major, minor, (long long)weight));
		if (weight > 0)
			add(res, (struct spec_limit){"blockIO.weightDevice", "blkio",
			                             "blkio.weight_device", text, "io.bfq.weight",
			                             text});
	}
	return 0;
}

static int parse_block_io(struct spec_resources *res, const struct node *block, struct error *err)
{
	static const struct {
		const char *key, *v1_file, *v2_key;
	} throttles[] = {
		{"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
		{"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
		{"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
		{"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"},
	};
	int64_t weight = 0;

	if (node_int(block, "weight", 0, 1000, &weight, err) < 0 ||
	    parse_device_weights(res, block, err) < 0)
		return -1;
	if (weight > 0)
		add(res,
		    (struct spec_limit){"blockIO.weight", "blkio", "blkio.weight",
		                        number(res, weight), "io.bfq.weight", number(res, weight)});
	for (size_t i = 0; i < ARRAY_LEN(throttles); i++)
		if (parse_throttle(res, block, throttles[i].key, throttles[i].v1_file,
		                   throttles[i].v2_key, err) < 0)
			return -1;
	return 0;
}

static int parse_hugepages(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct node list;

	if (node_array(node, "hugepageLimits", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		const char *size = NULL;
		uint64_t limit = 0;

		if (node_need_object(&item, err) < 0 ||
		    node_need_str(&item, "pageSize", &size, err) < 0 ||
		    node_u64(&item, "limit", &limit, err) < 0)
			return -1;
		for (const char *at = size; *at; at++)
			if (!isalnum((unsigned char)*at))
				return node_error(&item, err, "pageSize must be as \"2MB\"");
		add(res,
		    (struct spec_limit){"hugepageLimits", "hugetlb",
		                        keep(res, xasprintf("hugetlb.%s.limit_in_bytes", size)),
		                        keep(res, xasprintf("%llu", (unsigned long long)limit)),
		                        keep(res, xasprintf("hugetlb.%s.max", size)),
		                        keep(res, xasprintf("%llu", (unsigned long long)limit))});
	}
	return 0;
}

static int parse_network(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct node network, list;
	uint32_t class = 0;

	if (node_object(node, "network", &network, err) < 0 ||
	    node_u32(&network, "classID", &class, err) < 0 ||
	    node_array(&network, "priorities", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		const char *name = NULL;
		uint32_t priority = 0;

		if (node_need_object(&item, err) < 0 ||
		    node_need_str(&item, "name", &name, err) < 0 ||
		    node_u32(&item, "priority", &priority, err) < 0)
			return -1;
		if (str_empty(name) || name[strcspn(name, " \t\n/")])
			return node_error(&item, err, "name is not that of a network interface");
		add(res,
		    (struct spec_limit){"network.priorities", "net_prio", "net_prio.ifpriomap",
		                        keep(res, xasprintf("%s %u", name, priority)), NULL, NULL});
	}
	if (class)
		add(res, (struct spec_limit){"network.classID", "net_cls", "net_cls.classid",
		                             number(res, class), NULL, NULL});
	return 0;
}

/* "mlx5_1 hca_handle=3 hca_object=10000", in both versions. */
static int parse_rdma(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct node rdma;
	const char *device;
	json_t *value;

	if (node_object(node, "rdma", &rdma, err) < 0)
		return -1;
	json_object_foreach(rdma.json, device, value) {
		struct node item = node_child(&rdma, device);
		uint32_t handles = UINT32_MAX, objects = UINT32_MAX;
		struct strbuf line = STRBUF_INIT;
		const char *text;

		if (node_need_object(&item, err) < 0 ||
		    node_u32(&item, "hcaHandles", &handles, err) < 0 ||
		    node_u32(&item, "hcaObjects", &objects, err) < 0)
			return -1;
		if (!*device || device[strcspn(device, " \t\n/")])
			return node_error(&item, err, "is not the name of a device");
		strbuf_adds(&line, device);
		if (handles != UINT32_MAX)
			strbuf_addf(&line, " hca_handle=%u", handles);
		if (objects != UINT32_MAX)
			strbuf_addf(&line, " hca_object=%u", objects);
		text = keep(res, strbuf_detach(&line));
		add(res, (struct spec_limit){"rdma", "rdma", "rdma.max", text, "rdma.max", text});
	}
	return 0;
}

static int parse_unified(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct node unified;
	const char *key;
	json_t *value;

	if (node_object(node, "unified", &unified, err) < 0)
		return -1;
	json_object_foreach(unified.json, key, value) {
		struct node item = node_child(&unified, key);
		const char *text = NULL, *dot = strchr(key, '.');

		if (node_as_str(&item, &text, err) < 0)
			return -1;
		if (!dot || dot == key || strchr(key, '/'))
			return node_error(&item, err, "is not a file of a cgroup");
		add(res,
		    (struct spec_limit){"unified", keep(res, xstrndup(key, (size_t)(dot - key))),
		                        NULL, NULL, key, text});
	}
	return 0;
}

static int parse_device_rule(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct spec_device_rule rule = {.type = 'a', .major = ANY, .minor = ANY};
	const char *type = "a", *access = "rwm";

	if (node_need_object(node, err) < 0 || node_need(node, "allow", err) < 0 ||
	    node_bool(node, "allow", &rule.allow, err) < 0 ||
	    node_str(node, "type", &type, err) < 0 ||
	    node_int(node, "major", ANY, UINT32_MAX, &rule.major, err) < 0 ||
	    node_int(node, "minor", ANY, UINT32_MAX, &rule.minor, err) < 0 ||
	    node_str(node, "access", &access, err) < 0)
		return -1;
	if (*type && (strlen(type) != 1 || !strchr("abcu", *type)))
		return node_error(node, err, "type must be \"a\", \"b\" or \"c\"");
	if (strspn(access, "rwm") != strlen(access))
		return node_error(node, err, "access must be of \"r\", \"w\" and \"m\"");
	if (*type)
		rule.type = *type == 'u' ? 'c' : *type;
	rule.read = !*access || strchr(access, 'r');
	rule.write = !*access || strchr(access, 'w');
	rule.mknod = !*access || strchr(access, 'm');
	*array_add(&res->devices) = rule;
	return 0;
}

int spec_resources_parse(struct spec_resources *res, const struct node *node, struct error *err)
{
	struct node memory, cpu, pids, block, devices;

	if (node_object(node, "memory", &memory, err) < 0 ||
	    node_object(node, "cpu", &cpu, err) < 0 || node_object(node, "pids", &pids, err) < 0 ||
	    node_object(node, "blockIO", &block, err) < 0 ||
	    node_array(node, "devices", &devices, err) < 0)
		return -1;
	if (parse_memory(res, &memory, err) < 0 || parse_cpu(res, &cpu, err) < 0 ||
	    parse_pids(res, &pids, err) < 0 || parse_block_io(res, &block, err) < 0 ||
	    parse_hugepages(res, node, err) < 0 || parse_network(res, node, err) < 0 ||
	    parse_rdma(res, node, err) < 0 || parse_unified(res, node, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&devices); i++) {
		struct node item = node_item(&devices, i);

		if (parse_device_rule(res, &item, err) < 0)
			return -1;
	}
	return 0;
}
