#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "shim/capability.h"
#include "shim/cgroup.h"
#include "shim/mount_options.h"
#include "shim/spec.h"

#include <sys/prctl.h>

static json_t *words(const char *text)
{
	cleanup_free char *copy = xstrdup(text);
	json_t *array = json_array();
	char *save = NULL;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_array_append_new(array, json_string(word));
	return array;
}

static json_t *capability_names(void)
{
	json_t *array = json_array();

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (capability_name(cap))
			json_array_append_new(array, json_string(capability_name(cap)));
	return array;
}

static json_t *seccomp_features(void)
{
	static const char flags[] =
		"SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW "
		"SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "enabled", 1, "actions",
	                 words("SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS "
	                       "SCMP_ACT_KILL_THREAD SCMP_ACT_LOG SCMP_ACT_NOTIFY "
	                       "SCMP_ACT_TRACE SCMP_ACT_TRAP"),
	                 "operators",
	                 words("SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_LE SCMP_CMP_LT "
	                       "SCMP_CMP_MASKED_EQ SCMP_CMP_NE"),
	                 "knownFlags", words(flags), "supportedFlags", words(flags));
}

int cmd_features(const struct shim *shim, const struct command *self, int argc, char **argv,
                 struct error *err)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};
	cleanup_json json_t *json = NULL;
	cleanup_free char *text = NULL;
	int n = options_parse(self, NULL, 0, argc, argv, err);

	if (n < 0)
		return n;
	if (cgroup_host_read(&host, err) < 0)
		return -1;
	json = json_pack(
		"{s:s, s:s, s:o, s:o, s:{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:o, "
		"s:{s:b}, s:{s:b}, s:{s:b}, s:{s:{s:b}}, s:{s:b}}, s:{s:s, s:s}}",
		"ociVersionMin", "1.0.0", "ociVersionMax", SPEC_VERSION, "hooks",
		words("prestart createRuntime createContainer startContainer poststart poststop"),
		"mountOptions", mount_options_known(), "linux", "namespaces",
		words("cgroup ipc mount network pid time user uts"), "capabilities",
		capability_names(), "cgroup", "v1", 1, "v2", 1, "systemd", 0, "systemdUser", 0,
		"rdma", 1, "seccomp", seccomp_features(), "apparmor", "enabled", 1, "selinux",
		"enabled", 1, "intelRdt", "enabled", 0, "mountExtensions", "idmap", "enabled", 1,
		"netDevices", "enabled", 1, "annotations", "locald.version", LOCALD_VERSION,
		"locald.cgroup.mode", cgroup_mode_name(cgroup_host_mode(&host)));
	text = json_dumps(json, JSON_INDENT(2));
	printf("%s\n", text ? text : "{}");
	return 0;
}
