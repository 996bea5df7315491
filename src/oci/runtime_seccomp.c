#include "oci/runtime_seccomp.h"

#include "base/str.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

static const char *const refused[] = {
	"acct",
	"add_key",
	"bpf",
	"clock_adjtime",
	"clock_settime",
	"delete_module",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"ioperm",
	"iopl",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"lookup_dcookie",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"nfsservctl",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"pivot_root",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"setns",
	"settimeofday",
	"stime",
	"swapoff",
	"swapon",
	"syslog",
	"umount",
	"umount2",
	"unshare",
	"userfaultfd",
	"uselib",
	"ustat",
	"vm86",
	"vm86old",
};

/* Each bit on its own: a rule compares for equality under a mask. */
static const unsigned int namespace_flags[] = {
	CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,    CLONE_NEWUSER,
	CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP,
};

/* ioctl(2) requests that put input into a terminal: TIOCSTI, TIOCLINUX. */
static const unsigned int terminal_requests[] = {TIOCSTI, TIOCLINUX};

/* Foreign architectures are for the programs of the same machine's other modes. */
static const struct {
	const char *machine, *names[3];
} architectures[] = {
	{"x86_64", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
	{"aarch64", {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", NULL}},
};

static json_t *rule_new(json_t *names, int error)
{
	json_t *rule = json_object();

	json_object_set_new(rule, "names", names);
	json_set_str(rule, "action", "SCMP_ACT_ERRNO");
	json_set_int(rule, "errnoRet", error);
	return rule;
}

/* The call, when argument `index` & mask is value. */
static json_t *masked_rule(const char *name, int index, int64_t mask, int64_t value)
{
	json_t *rule = rule_new(json_pack("[s]", name), EPERM), *arg = json_object();

	json_set_int(arg, "index", index);
	json_set_int(arg, "value", mask);
	json_set_int(arg, "valueTwo", value);
	json_set_str(arg, "op", "SCMP_CMP_MASKED_EQ");
	json_object_set_new(rule, "args", json_pack("[o]", arg));
	return rule;
}

static json_t *rules_new(void)
{
	json_t *rules = json_array(), *names = json_array();

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		json_array_append_new(names, json_string(refused[i]));
	json_array_append_new(rules, rule_new(names, EPERM));
	json_array_append_new(rules, rule_new(json_pack("[s]", "clone3"), ENOSYS));
	for (size_t i = 0; i < ARRAY_LEN(namespace_flags); i++)
		json_array_append_new(
			rules, masked_rule("clone", 0, namespace_flags[i], namespace_flags[i]));
	/* The kernel looks at 32 bits of the request: so must the rule (CVE-2019-10063). */
	for (size_t i = 0; i < ARRAY_LEN(terminal_requests); i++)
		json_array_append_new(rules,
		                      masked_rule("ioctl", 1, 0xffffffff, terminal_requests[i]));
	return rules;
}

json_t *runtime_seccomp_new(void)
{
	json_t *seccomp = json_object();
	struct utsname host;

	json_set_str(seccomp, "defaultAction", "SCMP_ACT_ALLOW");
	for (size_t i = 0; uname(&host) == 0 && i < ARRAY_LEN(architectures); i++) {
		json_t *names;

		if (!str_eq(architectures[i].machine, host.machine))
			continue;
		names = json_array();
		for (size_t j = 0; j < 3 && architectures[i].names[j]; j++)
			json_array_append_new(names, json_string(architectures[i].names[j]));
		json_object_set_new(seccomp, "architectures", names);
	}
	json_object_set_new(seccomp, "syscalls", rules_new());
	return seccomp;
}
