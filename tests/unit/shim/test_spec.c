#include "shim/spec.h"

#include "base/error.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char minimal[] =
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
	"\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
	"\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"},"
	"{\"type\":\"uts\"},{\"type\":\"ipc\"}],"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]}}";

/* The minimal document with the value at a path such as "linux.seccomp" replaced. */
static json_t *changed(const char *path, const char *value)
{
	json_t *root = json_loads(minimal, 0, NULL), *at = root;
	char *copy = xstrdup(path), *key = copy, *dot;

	assert_non_null(root);
	while ((dot = strchr(key, '.'))) {
		*dot = '\0';
		if (!json_object_get(at, key))
			json_object_set_new(at, key, json_object());
		at = json_object_get(at, key);
		key = dot + 1;
	}
	if (value) {
		json_t *new = json_loads(value, JSON_DECODE_ANY, NULL);

		assert_non_null(new);
		json_object_set_new(at, key, new);
	} else {
		json_object_del(at, key);
	}
	free(copy);
	return root;
}

static int parse_changed(struct spec *spec, const char *path, const char *value, struct error *err)
{
	cleanup_json json_t *json = changed(path, value);
	cleanup_free char *text = json_text(json);

	return spec_parse(spec, text, strlen(text), err);
}

struct bad_case {
	const char *path, *value; /* NULL: the key is missing */
	const char *error;        /* part of the text */
	int code;                 /* 0: ERR_CONFIG */
};

static const struct bad_case bad_cases[] = {
	{"ociVersion", NULL, "ociVersion: is required", 0},
	{"ociVersion", "1", "ociVersion: must be a string", 0},
	{"ociVersion", "\"2.0.0\"", "ociVersion", 0},
	{"root", NULL, "root: is required", 0},
	{"root", "[]", "root: must be an object", 0},
	{"root.path", NULL, "root.path: is required", 0},
	{"root.path", "\"\"", "root: path is empty", 0},
	{"root.readonly", "\"yes\"", "root.readonly: must be true or false", 0},
	{"hostname", "5", "hostname: must be a string", 0},
	{"hostname", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
         "hostname: is longer", 0},
	{"mounts", "{}", "mounts: must be an array", 0},
	{"mounts", "[7]", "mounts[0]: must be an object", 0},
	{"mounts", "[{}]", "mounts[0].destination: is required", 0},
	{"mounts", "[{\"destination\":\"/x\"}]", "mounts[0]: type is required", 0},
	{"mounts", "[{\"destination\":\"/x\",\"type\":\"bind\"}]", "mounts[0]: a bind mount", 0},
	{"mounts", "[{\"destination\":\"\",\"type\":\"proc\"}]", "mounts[0]: destination", 0},
	{"mounts", "[{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[1]}]",
         "mounts[0].options[0]: must be a string", 0},
	{"mounts", "[{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"ro\",\"remount\"]}]",
         "mounts[0].options[1]: mount option `remount`", ERR_UNSUPPORTED},
	{"mounts", "[{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"idmap\"]}]",
         "mounts[0]: only a bind mount can be id-mapped", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"gidMappings\":"
         "[{\"containerID\":0,\"hostID\":1,\"size\":1}]}]",
         "mounts[0]: needs both uidMappings and gidMappings", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"uidMappings\":"
         "[{\"containerID\":0,\"hostID\":1}]}]",
         "mounts[0].uidMappings[0].size: is required", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"options\":"
         "[\"idmap=uids=0-1\"]}]",
         "mounts[0].options[0]: \"0-1\" must be as \"0-1000-1\"", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"options\":"
         "[\"idmap=uids=0-1-5#3-9-1;gids=0-1-1\"]}]",
         "mounts[0].options[0]: overlaps another mapping", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"options\":"
         "[\"idmap=users=0-1-5\"]}]",
         "mounts[0].options[0]: must be as", 0},
	{"mounts",
         "[{\"destination\":\"/x\",\"source\":\"/\",\"type\":\"bind\",\"options\":"
         "[\"idmap=uids=@0-1-5\"]}]",
         "relative to the container's is not supported", ERR_UNSUPPORTED},
	{"mounts", "[{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]}]",
         "tmpcopyup is for tmpfs", 0},
	{"mounts",
         "[{\"destination\":\"/\",\"type\":\"overlay\"},{\"destination\":\"/"
         "\",\"type\":\"tmpfs\"}]",
         "mounts[1].destination: only the first", 0},
	{"annotations", "{\"a\":1}", "annotations.a: must be a string", 0},
	{"process", "[]", "process: must be an object", 0},
	{"process.args", NULL, "process.args: must have", 0},
	{"process.args", "[]", "process.args: must have", 0},
	{"process.args", "[\"a\",null]", "process.args[1]: is required", 0},
	{"process.args", "[\"a\",1]", "process.args[1]: must be a string", 0},
	{"process.env", "[\"A=b\",\"C\"]", "process.env[1]: must be NAME=value", 0},
	{"process.env", "[\"=b\"]", "process.env[0]", 0},
	{"process.cwd", NULL, "process.cwd: is required", 0},
	{"process.cwd", "\"tmp\"", "process.cwd: must be an absolute path", 0},
	{"process.terminal", "1", "process.terminal: must be true", 0},
	{"process.consoleSize", "{\"height\":-1}", "process.consoleSize.height: must be between",
         0},
	{"process.user.uid", "-1", "process.user.uid: must be between 0", 0},
	{"process.user.uid", "4294967296", "process.user.uid: must be between", 0},
	{"process.user.uid", "4294967295", "process.user: 4294967295 is not an id", 0},
	{"process.user.uid", "\"0\"", "process.user.uid: must be an integer", 0},
	{"process.user.uid", "0.5", "process.user.uid: must be an integer", 0},
	{"process.user.umask", "512", "process.user.umask: must be between 0 and 511", 0},
	{"process.user.additionalGids", "[1,-1]", "process.user.additionalGids[1]", 0},
	{"process.capabilities", "[]", "process.capabilities: must be an object", 0},
	{"process.capabilities.bounding", "[7]",
         "process.capabilities.bounding[0]: must be a string", 0},
	{"process.capabilities.effective", "[\"CAP_KILL\"]", "effective has more than permitted",
         0},
	{"process.rlimits", "[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]",
         "process.rlimits[0]: \"RLIMIT_X\" is not a limit", 0},
	{"process.rlimits", "[{\"type\":\"RLIMIT_CORE\",\"soft\":2,\"hard\":1}]", "soft is above",
         0},
	{"process.rlimits", "[{\"type\":\"RLIMIT_CORE\",\"soft\":1}]",
         "process.rlimits[0].hard: is required", 0},
	{"process.rlimits", "[{\"type\":\"RLIMIT_CORE\",\"soft\":-1,\"hard\":1}]",
         "process.rlimits[0].soft: must be between", 0},
	{"process.oomScoreAdj", "1001", "process.oomScoreAdj: must be between -1000", 0},
	{"process.ioPriority", "{\"class\":\"X\"}", "process.ioPriority.class: \"X\" is not known",
         0},
	{"process.scheduler", "{\"policy\":\"SCHED_X\"}", "process.scheduler.policy", 0},
	{"process.apparmorProfile", "1", "process.apparmorProfile: must be a string", 0},
	{"process.selinuxLabel", "[]", "process.selinuxLabel: must be a string", 0},
	{"process.scheduler", "{\"policy\":\"SCHED_DEADLINE\"}",
         "`SCHED_DEADLINE` requires `runtime`", 0},
	{"process.scheduler", "{\"policy\":\"SCHED_DEADLINE\",\"runtime\":3000,\"deadline\":2000}",
         "runtime must be <= deadline", 0},
	{"process.execCPUAffinity", "{\"initial\":\"3-1\"}", "execCPUAffinity.initial: must be as",
         0},
	{"process.execCPUAffinity", "{\"final\":\"0,x\"}", "execCPUAffinity.final: must be as", 0},
	{"process.execCPUAffinity", "{\"final\":\"9999\"}", "has a number above", 0},
	{"hooks.prestart", "[{}]", "hooks.prestart[0].path: is required", 0},
	{"hooks.poststop", "[{\"path\":\"x\"}]", "hooks.poststop[0]: path must be absolute", 0},
	{"hooks.poststart", "[{\"path\":\"/x\",\"timeout\":0}]",
         "hooks.poststart[0].timeout: must be between 1", 0},
	{"linux", "7", "linux: must be an object", 0},
	{"linux.namespaces", "[{\"type\":\"nosuch\"}]", "linux.namespaces[0].type", 0},
	{"linux.namespaces", "[{\"type\":\"pid\"},{\"type\":\"pid\"}]",
         "linux.namespaces[1].type: \"pid\" is there twice", 0},
	{"linux.namespaces", "[{\"type\":\"pid\",\"path\":\"x\"}]", "path must be absolute", 0},
	{"linux.timeOffsets", "{\"boottime\":{}}", "linux.timeOffsets: there is no new time", 0},
	{"linux.namespaces", "[{\"type\":\"mount\"}]", "linux.uidMappings: there is no new user",
         0},
	{"linux.uidMappings", NULL, "needs linux.gidMappings", 0},
	{"linux.uidMappings", "[{\"containerID\":0,\"hostID\":1,\"size\":0}]", "size is 0", 0},
	{"linux.uidMappings", "[{\"containerID\":0,\"hostID\":1}]",
         "linux.uidMappings[0].size: is required", 0},
	{"linux.gidMappings", "[{\"containerID\":4294967295,\"hostID\":1,\"size\":9}]",
         "linux.gidMappings[0]: goes beyond", 0},
	{"linux.uidMappings",
         "[{\"containerID\":0,\"hostID\":1,\"size\":9},{\"containerID\":8,\"hostID\":100,\"size\":"
         "1}]",
         "linux.uidMappings[1]: overlaps", 0},
	{"linux.uidMappings",
         "[{\"containerID\":0,\"hostID\":1,\"size\":9},{\"containerID\":20,\"hostID\":9,\"size\":1}"
         "]",
         "linux.uidMappings[1]: overlaps", 0},
	{"linux.devices", "[{\"path\":\"x\",\"type\":\"c\",\"major\":1,\"minor\":1}]",
         "linux.devices[0]: path must be absolute", 0},
	{"linux.devices", "[{\"path\":\"/x\",\"type\":\"q\"}]", "linux.devices[0]: type must be",
         0},
	{"linux.devices", "[{\"path\":\"/x\",\"type\":\"c\"}]",
         "linux.devices[0].major: is required", 0},
	{"linux.sysctl", "{\"kernel.core_pattern\":\"x\"}", "linux.sysctl.kernel.core_pattern", 0},
	{"linux.sysctl", "{\"net.x\":\"1\"}", "does not belong to a namespace", 0},
	{"linux.sysctl", "{\"../x\":\"1\"}", "is not the name of a sysctl", 0},
	{"linux.sysctl", "{\"kernel.sem\":1}", "linux.sysctl.kernel.sem: must be a string", 0},
	{"linux.rootfsPropagation", "\"x\"", "linux.rootfsPropagation: \"x\"", 0},
	{"linux.maskedPaths", "\"/x\"", "linux.maskedPaths: must be an array", 0},
	{"linux.memoryPolicy", "{}", "linux.memoryPolicy.mode: is required", 0},
	{"linux.memoryPolicy", "{\"mode\":\"MPOL_X\"}",
         "linux.memoryPolicy.mode: \"MPOL_X\" is not", 0},
	{"linux.memoryPolicy", "{\"mode\":\"MPOL_BIND\",\"nodes\":\"0-\"}", "nodes: must be as", 0},
	{"linux.timeOffsets", "{\"boottime\":{\"nanosecs\":-1}}", "boottime.nanosecs: must be", 0},
	{"linux.personality", "{\"domain\":\"X\"}", "linux.personality.domain", 0},
	{"linux.intelRdt", "{\"closID\":\"x\"}", "linux.intelRdt: intelRdt is not",
         ERR_UNSUPPORTED},
	{"linux.netDevices", "{\"eth0\":1}", "linux.netDevices.eth0: must be an object", 0},
	{"linux.netDevices", "{\"a/b\":{}}", "is not the name of a network device", 0},
	{"linux.netDevices", "{\"eth%d\":{}}", "is not the name of a network device", 0},
	{"linux.netDevices", "{\"eth0\":{\"name\":\"a%s\"}}", "is not the name of", 0},
	{"linux.netDevices", "{\"eth0\":{\"name\":\"aaaaaaaaaaaaaaaa\"}}", "is not the name of", 0},
	{"linux.netDevices", "{\"eth0\":{}}", "there is no network namespace", 0},
	{"linux.mountLabel", "1", "linux.mountLabel: must be a string", 0},
	{"linux.seccomp", "{}", "linux.seccomp.defaultAction: is required", 0},
	{"linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_X\"}", "\"SCMP_ACT_X\" is not an action",
         0},
	{"linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "cannot be the default", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\",\"syscalls\":"
         "[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
         "linux.seccomp: SCMP_ACT_NOTIFY cannot be used for `write`", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
         "[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
         "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath", 0},
	{"linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"x\"}",
         "linux.seccomp.listenerPath: must be absolute", 0},
	{"linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
         "linux.seccomp.listenerMetadata: needs listenerPath", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":"
         "[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}",
         "WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY", 0},
	{"linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
         "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW has no errno", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X\"]}",
         "linux.seccomp.architectures[0]", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\"}]}",
         "linux.seccomp.syscalls[0].names: must have", 0},
	{"linux.seccomp",
         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
         "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]"
         "}",
         "linux.seccomp.syscalls[0].args[0].index: must be between 0 and 5", 0},
	{"linux.resources", "{\"memory\":{\"limit\":\"1g\"}}",
         "linux.resources.memory.limit: must be an integer", 0},
	{"linux.resources", "{\"memory\":{\"limit\":-2}}", "linux.resources.memory.limit", 0},
	{"linux.resources", "{\"memory\":{\"swap\":5}}", "needs linux.resources.memory.limit", 0},
	{"linux.resources", "{\"memory\":{\"limit\":9,\"swap\":5}}", "is below limit", 0},
	{"linux.resources", "{\"unified\":{\"../x.y\":\"1\"}}", "is not a file of a cgroup", 0},
	{"linux.resources", "{\"unified\":{\"noname\":\"1\"}}", "is not a file of a cgroup", 0},
	{"linux.resources", "{\"rdma\":{\"x\":1}}", "linux.resources.rdma.x: must be an object", 0},
	{"linux.resources", "{\"devices\":[{\"allow\":true,\"access\":\"x\"}]}",
         "linux.resources.devices[0]: access", 0},
	{"linux.resources", "{\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]}",
         "linux.resources.hugepageLimits[0]: pageSize", 0},
};

static void bad_fields_are_named(void **unused)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
		const struct bad_case *bad = &bad_cases[i];
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(spec_release) struct spec spec = {0};
		int done = parse_changed(&spec, bad->path, bad->value, &err);

		if (done != -1 || !strstr(err.text, bad->error) ||
		    err.code != (bad->code ? bad->code : ERR_CONFIG))
			fail_msg("%s = %s: got %d, code %d, %s", bad->path,
			         bad->value ? bad->value : "(missing)", done, err.code,
			         err.text ? err.text : "no error");
	}
}

static void the_minimum_is_enough(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(spec_release) struct spec spec = {0};

	assert_int_equal(spec_parse(&spec, minimal, strlen(minimal), &err), 0);
	assert_string_equal(spec.root_path, "rootfs");
	assert_string_equal(spec.process.args.items[0], "sh");
	assert_int_equal(spec.process.umask, 022);
	assert_true(spec.ns[NS_USER].is_set && !spec.ns[NS_USER].path);
	assert_false(spec.ns[NS_NET].is_set);
	assert_int_equal(spec.uid_map.items[0].outside, 1000);
	assert_int_equal(spec.process.caps.bounding, 0);
}

static void null_is_missing_and_unknown_is_ignored(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(spec_release) struct spec spec = {0};

	assert_int_equal(parse_changed(&spec, "linux.seccomp", "null", &err), 0);
	assert_false(spec.seccomp.is_set);
	spec_release(&spec);
	assert_int_equal(parse_changed(&spec, "somethingNew", "{\"a\":[1]}", &err), 0);
}

static void unlimited_is_64_bits_wide(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(spec_release) struct spec spec = {0};
	const char *before =
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"18446744073709551615\"},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"\\\"18446744073709551615\"],"
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":9223372036854775807,"
		"\"hard\":18446744073709551615}]}}";

	assert_int_equal(spec_parse(&spec, before, strlen(before), &err), 0);
	assert_true(spec.process.rlimits.items[0].soft == INT64_MAX);
	assert_true(spec.process.rlimits.items[0].hard == UINT64_MAX);
	/* What is inside strings stays. */
	assert_string_equal(spec.root_path, "18446744073709551615");
	assert_string_equal(spec.process.args.items[0], "\"18446744073709551615");
}

static void too_wide_is_refused(void **unused)
{
	static const char *const numbers[] = {"18446744073709551616", "99999999999999999999999",
	                                      "-9223372036854775809", "1e400"};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(spec_release) struct spec spec = {0};
		cleanup_free char *text = xasprintf(
			"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"process\":{"
			"\"cwd\":\"/\",\"args\":[\"a\"],\"rlimits\":[{\"type\":\"RLIMIT_CORE\","
			"\"soft\":0,\"hard\":%s}]}}",
			numbers[i]);

		assert_int_equal(spec_parse(&spec, text, strlen(text), &err), -1);
	}
}

static void text_that_is_no_json(void **unused)
{
	static const char *const texts[] = {
		"",        "{", "[]", "7", "{} {}", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}",
		"\xff\xfe"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(spec_release) struct spec spec = {0};

		assert_int_equal(spec_parse(&spec, texts[i], strlen(texts[i]), &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
	}
}

static void capabilities_become_bits(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(spec_release) struct spec spec = {0};

	assert_int_equal(parse_changed(&spec, "process.capabilities",
	                               "{\"bounding\":[\"CAP_CHOWN\",\"CAP_CHECKPOINT_RESTORE\"],"
	                               "\"permitted\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"]}",
	                               &err),
	                 0);
	assert_true(spec.process.caps.bounding == (UINT64_C(1) | UINT64_C(1) << 40));
	assert_true(spec.process.caps.effective == UINT64_C(1) << 5);
	assert_true(spec.process.caps.ambient == 0 && spec.process.caps.inheritable == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_fields_are_named),
		cmocka_unit_test(the_minimum_is_enough),
		cmocka_unit_test(null_is_missing_and_unknown_is_ignored),
		cmocka_unit_test(unlimited_is_64_bits_wide),
		cmocka_unit_test(too_wide_is_refused),
		cmocka_unit_test(text_that_is_no_json),
		cmocka_unit_test(capabilities_become_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
