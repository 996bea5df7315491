#include "shim/command.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "shim/spec.h"

#include <errno.h>

static const char *const capabilities[] = {
	"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER",           "CAP_FSETID",
	"CAP_KILL",    "CAP_SETGID",       "CAP_SETUID",           "CAP_SETPCAP",
	"CAP_SETFCAP", "CAP_SYS_CHROOT",   "CAP_NET_BIND_SERVICE",
};

/* Destination, type, source, options separated by commas. */
static const char *const mounts[][4] = {
	{"/proc", "proc", "proc", "nosuid,noexec,nodev"},
	{"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
	{"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"},
	{"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
	{"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
};

static const char *const masked[] = {
	"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi",          "/sys/firmware",
};

static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                       "/proc/sysrq-trigger"};

static json_t *strings(const char *const *items, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(items[i]));
	return array;
}

static json_t *split(const char *text)
{
	cleanup_free char *copy = xstrdup(text);
	json_t *array = json_array();
	char *save = NULL;

	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		json_array_append_new(array, json_string(word));
	return array;
}

static json_t *process_example(void)
{
	static const char *const args[] = {"sh"};
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
	json_t *caps = json_object();

	json_object_set_new(caps, "bounding", strings(capabilities, ARRAY_LEN(capabilities)));
	json_object_set_new(caps, "effective", strings(capabilities, ARRAY_LEN(capabilities)));
	json_object_set_new(caps, "permitted", strings(capabilities, ARRAY_LEN(capabilities)));
	return json_pack("{s:b, s:{s:i, s:i}, s:o, s:o, s:s, s:o, s:b}", "terminal", 1, "user",
	                 "uid", 0, "gid", 0, "args", strings(args, ARRAY_LEN(args)), "env",
	                 strings(env, ARRAY_LEN(env)), "cwd", "/", "capabilities", caps,
	                 "noNewPrivileges", 1);
}

static json_t *linux_example(bool is_rootless)
{
	static const char *const kinds[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};
	json_t *object = json_object(), *namespaces = json_array();

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		json_array_append_new(namespaces, json_pack("{s:s}", "type", kinds[i]));
	if (is_rootless) {
		json_array_append_new(namespaces, json_pack("{s:s}", "type", "user"));
		json_object_set_new(object, "uidMappings",
		                    json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID",
		                              (json_int_t)geteuid(), "size", 1));
		json_object_set_new(object, "gidMappings",
		                    json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID",
		                              (json_int_t)getegid(), "size", 1));
	}
	json_object_set_new(object, "namespaces", namespaces);
	json_object_set_new(object, "maskedPaths", strings(masked, ARRAY_LEN(masked)));
	json_object_set_new(object, "readonlyPaths", strings(readonly, ARRAY_LEN(readonly)));
	return object;
}

static json_t *example(bool is_rootless)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:s, s:o}", "destination", mounts[i][0],
		                                "type", mounts[i][1], "source", mounts[i][2],
		                                "options", split(mounts[i][3])));
	return json_pack("{s:s, s:{s:s, s:b}, s:o, s:s, s:o, s:o}", "ociVersion", SPEC_VERSION,
	                 "root", "path", "rootfs", "readonly", 1, "process", process_example(),
	                 "hostname", "locald", "mounts", list, "linux", linux_example(is_rootless));
}

int cmd_spec(const struct shim *shim, const struct command *self, int argc, char **argv,
             struct error *err)
{
	cleanup_json json_t *json = NULL;
	cleanup_free char *path = NULL, *text = NULL, *line = NULL;
	const char *bundle = ".";
	bool is_rootless = geteuid() != 0;
	const struct option_row rows[] = {
		{"bundle", 'b', OPTION_TEXT, &bundle, "where to write it (.)"},
		{"rootless", 0, OPTION_FLAG, &is_rootless, "with a user namespace for the caller"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	path = path_join(bundle, "config.json");
	if (fs_exists(path))
		return error_set(err, EEXIST, "%s is there already", path);
	json = example(is_rootless);
	text = json_dumps(json, JSON_INDENT(2));
	line = xasprintf("%s\n", text);
	return fs_write_atomic(path, line, strlen(line), 0644, err);
}
