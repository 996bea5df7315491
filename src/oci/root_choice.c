#include "oci/root_choice.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "base/userns.h"
#include "oci/owned_tree.h"
#include "oci/runtime_call.h"
#include "oci/runtime_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SETTING    "LOCALD_CONTAINER_ROOT"
#define PROGRAM    "fuse-overlayfs"
#define MEMORY_MAX 65536
#define NOT_FOUND  127 /* the runtime came as far as the program, which is not there */

const char *const root_kind_names[ROOT_KINDS] = {"overlay", "fuse-overlayfs", "copy"};

void root_choice_release(struct root_choice *choice)
{
	free(choice->program);
	free(choice->why);
	free(choice->memory);
	*choice = (struct root_choice){0};
}

static int kind_of(const char *name)
{
	for (size_t i = 0; i < ROOT_KINDS; i++)
		if (str_eq(name, root_kind_names[i]))
			return (int)i;
	return -1;
}

/* --- what is remembered --- */

static dev_t device_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_dev : 0;
}

static char *key_of(const struct root_question *question)
{
	char boot[PROC_BOOT_ID_SIZE];

	proc_boot_id(boot);
	return xasprintf("%s %s %llx %llx", boot, question->store,
	                 (unsigned long long)device_of(question->store),
	                 (unsigned long long)device_of(question->place));
}

static bool recall(const struct root_question *question, const char *key, struct root_choice *ret)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_json json_t *memory = NULL;
	int kind;

	if (!question->memory)
		return false;
	memory = json_parse_file(question->memory, MEMORY_MAX, &ignored);
	if (!memory || !str_eq(json_get_str(memory, "for", ""), key))
		return false;
	kind = kind_of(json_get_str(memory, "kind", ""));
	if (kind < 0)
		return false;
	ret->program = kind == ROOT_FUSE ? fs_find_program(PROGRAM) : NULL;
	if (kind == ROOT_FUSE && !ret->program)
		return false;
	ret->kind = (enum root_kind)kind;
	ret->why = xstrdup_null(json_get_str(memory, "why", NULL));
	return true;
}

/* Without a memory it is found out again. */
static void remember(const struct root_question *question, const char *key,
                     const struct root_choice *choice)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_json json_t *memory = json_object();
	cleanup_free char *text = NULL;

	if (!question->memory)
		return;
	json_set_str(memory, "for", key);
	json_set_str(memory, "kind", root_kind_names[choice->kind]);
	json_set_str(memory, "why", choice->why);
	text = json_text(memory);
	fs_write_atomic(question->memory, text, strlen(text), 0600, &ignored);
}

/* --- an empty container --- */

struct trial {
	const struct root_question *question;
	struct userns_map map;
	char *dir;
};

static int make_dir(const struct trial *trial, const char *name, bool is_owned, struct error *err)
{
	cleanup_free char *path = path_join(trial->dir, name);

	if (mkdir(path, 0755) < 0)
		return error_errno(err, errno, "%s", path);
	if (is_owned && chown(path, trial->map.uid[0].outside, trial->map.gid[0].outside) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Any of the store, as it is on whatever file system that is; else an empty one. */
static char *some_layer(const struct trial *trial)
{
	cleanup_free char *layers = path_join(trial->question->store, "layers");
	cleanup(close_dir) DIR *dir = opendir(layers);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return path_join(layers, entry->d_name);
	return path_join(trial->dir, "lower");
}

static json_t *mounts_of(const struct trial *trial, enum root_kind kind, const char *program)
{
	cleanup_free char *layer = some_layer(trial);
	json_t *mounts = json_array();

	if (kind != ROOT_COPY)
		json_array_append_new(mounts, runtime_root_mount(kind, program, layer, trial->dir));
	/* Its mount point is made there, so something is written. */
	json_array_append_new(mounts, json_pack("{s:s, s:s, s:s}", "destination", "/locald-root",
	                                        "type", "tmpfs", "source", "tmpfs"));
	return mounts;
}

static int write_config(const struct trial *trial, enum root_kind kind, const char *program,
                        struct error *err)
{
	cleanup_free char *path = path_join(trial->dir, "config.json"), *text = NULL;
	json_t *linux_part = json_pack(
		"{s:[{s:s},{s:s},{s:s}], s:o, s:o}", "namespaces", "type", "user", "type", "mount",
		"type", "pid", "uidMappings", runtime_mapping_new(trial->map.uid, trial->map.uids),
		"gidMappings", runtime_mapping_new(trial->map.gid, trial->map.gids));
	cleanup_json json_t *config =
		json_pack("{s:s, s:{s:s}, s:o, s:o, s:{s:s, s:[s], s:{s:i, s:i}}}", "ociVersion",
	                  "1.0.2", "root", "path", kind == ROOT_COPY ? "rw/upper" : "rootfs",
	                  "mounts", mounts_of(trial, kind, program), "linux", linux_part, "process",
	                  "cwd", "/", "args", "/locald-root/none", "user", "uid", 0, "gid", 0);

	text = json_text(config);
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

/* The first line, without the program's name. */
static void set_said(const struct strbuf *said, struct error *err)
{
	const char *text = str_starts(said->buf, "locald-shim: ")
	                           ? said->buf + strlen("locald-shim: ")
	                           : said->buf;

	error_set(err, ERR_FAILED, "%.*s", (int)strcspn(text, "\n"), text);
}

static int run_shim(const struct trial *trial, struct error *err)
{
	cleanup_free char *root = path_join(trial->dir, "state");
	const char *const argv[] = {
		trial->question->shim, "--root", root, "run", "--bundle", trial->dir, "try", NULL};
	cleanup(strbuf_release) struct strbuf said = STRBUF_INIT;
	int status = -1;

	if (runtime_call(argv, STDERR_FILENO, &said, &status, err) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return 0;
	set_said(&said, err);
	return -1;
}

static int try_in(const struct trial *trial, enum root_kind kind, const char *program,
                  struct error *err)
{
	static const struct {
		const char *name;
		bool is_owned;
	} dirs[] = {{"lower", true},
	            {"rootfs", false},
	            {"rw", true},
	            {"rw/upper", true},
	            {"rw/work", true}};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (make_dir(trial, dirs[i].name, dirs[i].is_owned, err) < 0)
			return -1;
	if (write_config(trial, kind, program, err) < 0)
		return -1;
	return run_shim(trial, err);
}

static int try_one(const struct root_question *question, enum root_kind kind, const char *program,
                   struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *dir = path_join(question->place, ".root-XXXXXX");
	cleanup_close int place = -1;
	struct trial trial = {.question = question, .dir = dir};
	int result;

	if (userns_map_for_caller(&trial.map, err) < 0)
		return -1;
	if (!mkdtemp(dir))
		return error_errno(err, errno, "%s", dir);
	result = try_in(&trial, kind, program, err);
	place = open(question->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place >= 0)
		owned_tree_remove(place, path_base(dir), &ignored);
	return result;
}

/* --- the choice --- */

static void add_why(struct root_choice *choice, const char *text)
{
	cleanup_free char *before = choice->why;

	choice->why = xasprintf("%s%s%s", before ? before : "", before ? "; " : "", text);
}

/* false: not even without an overlay is there a container, so nothing was learnt. */
static bool find_out(const struct root_question *question, struct root_choice *ret)
{
	cleanup_free char *program = fs_find_program(PROGRAM);

	for (int kind = ROOT_OVERLAY; kind < ROOT_KINDS; kind++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		if (kind == ROOT_FUSE && !program) {
			add_why(ret, "fuse-overlayfs is not installed");
			continue;
		}
		if (try_one(question, (enum root_kind)kind, program, &err) == 0) {
			ret->kind = (enum root_kind)kind;
			ret->program = kind == ROOT_FUSE ? take_ptr(program) : NULL;
			return true;
		}
		add_why(ret, err.text);
	}
	ret->kind = ROOT_OVERLAY;
	return false;
}

static int take_setting(const char *name, struct root_choice *ret, struct error *err)
{
	int kind = kind_of(name);

	if (kind < 0)
		return error_set(err, ERR_CONFIG,
		                 SETTING "=%s: there are overlay, fuse-overlayfs and copy", name);
	ret->kind = (enum root_kind)kind;
	ret->is_forced = true;
	ret->program = kind == ROOT_FUSE ? fs_find_program(PROGRAM) : NULL;
	if (kind != ROOT_FUSE || ret->program)
		return 0;
	error_set(err, ERR_NOT_FOUND, SETTING "=%s: it is not installed", name);
	return error_hint(err, "sudo apt-get install fuse-overlayfs");
}

int root_choose(const struct root_question *question, struct root_choice *ret, struct error *err)
{
	const char *setting = getenv(SETTING);
	cleanup_free char *key = NULL;

	*ret = (struct root_choice){0};
	if (!str_empty(setting))
		return take_setting(setting, ret, err);
	key = key_of(question);
	if (!recall(question, key, ret) && find_out(question, ret))
		remember(question, key, ret);
	ret->memory = xstrdup_null(question->memory);
	return 0;
}
