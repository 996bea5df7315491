#include "shim/mount_options.h"

#include "base/error.h"
#include "base/mem.h"

#include <sys/mount.h>

struct option_word {
	const char *word;
	uint64_t set, clear;
};

#define ATIME MOUNT_ATTR__ATIME

/* Each also exists with an "r" in front for the whole tree. */
static const struct option_word attributes[] = {
	{"ro", MOUNT_ATTR_RDONLY, 0},
	{"rw", 0, MOUNT_ATTR_RDONLY},
	{"nosuid", MOUNT_ATTR_NOSUID, 0},
	{"suid", 0, MOUNT_ATTR_NOSUID},
	{"nodev", MOUNT_ATTR_NODEV, 0},
	{"dev", 0, MOUNT_ATTR_NODEV},
	{"noexec", MOUNT_ATTR_NOEXEC, 0},
	{"exec", 0, MOUNT_ATTR_NOEXEC},
	{"noatime", MOUNT_ATTR_NOATIME, ATIME},
	{"atime", MOUNT_ATTR_RELATIME, ATIME},
	{"relatime", MOUNT_ATTR_RELATIME, ATIME},
	{"norelatime", MOUNT_ATTR_STRICTATIME, ATIME},
	{"strictatime", MOUNT_ATTR_STRICTATIME, ATIME},
	{"nostrictatime", MOUNT_ATTR_RELATIME, ATIME},
	{"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
	{"diratime", 0, MOUNT_ATTR_NODIRATIME},
	{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

static const struct {
	const char *word;
	unsigned long flags;
} propagations[] = {
	{"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
	{"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
	{"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
	{"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

static const struct option_word *find_attribute(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (str_eq(attributes[i].word, word))
			return &attributes[i];
	return NULL;
}

unsigned long mount_propagation(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		if (str_eq(propagations[i].word, word))
			return propagations[i].flags;
	return 0;
}

/* The last word about an attribute wins. */
static void add_attribute(uint64_t *set, uint64_t *clear, const struct option_word *option)
{
	*set = (*set & ~option->clear) | option->set;
	*clear = (*clear & ~option->set) | option->clear;
}

static bool add_verb(struct mount_options *options, const char *word)
{
	if (str_eq(word, "bind") || str_eq(word, "rbind")) {
		options->bind = true;
		options->recursive = options->recursive || *word == 'r';
		return true;
	}
	if (str_eq(word, "idmap") || str_eq(word, "ridmap")) {
		options->idmap = true;
		options->idmap_all = options->idmap_all || *word == 'r';
		return true;
	}
	if (str_eq(word, "tmpcopyup")) {
		options->copy_up = true;
		return true;
	}
	return str_eq(word, "defaults");
}

int mount_options_add(struct mount_options *options, const char *word, struct error *err)
{
	static const char *const unsupported[] = {"remount", "copy-symlink", "src-nofollow",
	                                          "dest-nofollow"};
	const struct option_word *option = find_attribute(word);
	unsigned long propagation = mount_propagation(word);

	if (option) {
		add_attribute(&options->attr_set, &options->attr_clear, option);
		return 0;
	}
	if (*word == 'r' && (option = find_attribute(word + 1))) {
		add_attribute(&options->attr_set_all, &options->attr_clear_all, option);
		return 0;
	}
	if (propagation) {
		options->propagation = propagation & ~(unsigned long)MS_REC;
		options->propagation_all = propagation & MS_REC;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
		if (str_eq(word, unsupported[i]))
			return error_set(err, ERR_UNSUPPORTED,
			                 "mount option `%s` is not supported yet", word);
	if (!add_verb(options, word))
		strv_add(&options->data, word);
	return 0;
}

void mount_options_release(struct mount_options *options)
{
	strv_release(&options->data);
}

json_t *mount_options_known(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		cleanup_free char *whole = xasprintf("r%s", attributes[i].word);

		json_array_append_new(list, json_string(attributes[i].word));
		json_array_append_new(list, json_string(whole));
	}
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		json_array_append_new(list, json_string(propagations[i].word));
	json_array_append_new(list, json_string("bind"));
	json_array_append_new(list, json_string("rbind"));
	json_array_append_new(list, json_string("idmap"));
	json_array_append_new(list, json_string("ridmap"));
	json_array_append_new(list, json_string("tmpcopyup"));
	return list;
}
