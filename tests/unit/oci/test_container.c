#include "fixture.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/container_dir.h"
#include "oci/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "short:x:1\n"
			     "bad:x:99999999999:0::/:/bin/sh\n"
			     "app:x:1000:1001:App:/home/app:/bin/sh\n"
			     "nohome:x:1002:1002:::/bin/sh\n";
static const char group[] =
	"root:x:0:\napp:x:1001:\nvideo:x:44:www,app\nown:x:1001:app\ndocker:x:998:app\n";

/* Adds a layer that `fill` makes. */
static void add_layer(struct fixture *fixture, struct image *image,
                      void (*fill)(struct archive *tar))
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	struct archive *tar = tar_begin(path, TAR_PLAIN);
	struct descriptor layer = {.media_type = (char *)MEDIA_LAYER};
	struct unpack_result result;

	fill(tar);
	tar_end(tar);
	assert_ok(unpack_tar(fixture, NULL, &result, &err));
	str_copy(layer.digest, sizeof(layer.digest), result.diff_id);
	image_add_layer(image, &layer, result.diff_id, "test");
}

static void fill_base(struct archive *tar)
{
	tar_file(tar, "etc/passwd", passwd);
	tar_file(tar, "etc/group", group);
	tar_file(tar, "bin/sh", "");
}

static void fill_other(struct archive *tar)
{
	tar_file(tar, "srv/app", "x");
	tar_file(tar, "etc/other", "x");
}

static void fill_new_passwd(struct archive *tar)
{
	tar_file(tar, "etc/passwd", "app:x:2000:2000::/new:/bin/sh\n");
}

static void fill_whiteout(struct archive *tar)
{
	tar_file(tar, "etc/.wh.passwd", "");
}

static void fill_opaque(struct archive *tar)
{
	tar_file(tar, "etc/.wh..wh..opq", "");
}

static void fill_evil(struct archive *tar)
{
	tar_link(tar, "etc/passwd", "/../../../../../../etc/passwd");
}

static void fill_link(struct archive *tar)
{
	tar_link(tar, "etc/passwd", "../usr/lib/passwd");
	tar_link(tar, "etc/group", "group");
}

static void fill_target(struct archive *tar)
{
	tar_file(tar, "usr/lib/passwd", "app:x:3000:3000::/linked:/bin/sh\n");
}

static int resolve(struct fixture *fixture, const struct image *image, const char *text,
                   struct container_user *ret, struct error *err)
{
	return container_user_resolve(&fixture->store, image, text, ret, err);
}

static void users_are_those_of_the_image(void **state)
{
	static const struct {
		const char *text;
		uint32_t uid, gid;
		const char *home;
		size_t groups;
	} cases[] = {
		{"", 0, 0, "/root", 0},
		{"root", 0, 0, "/root", 0},
		{"app", 1000, 1001, "/home/app", 2},
		{"1000", 1000, 1001, "/home/app", 2},
		{"app:video", 1000, 44, "/home/app", 0},
		{"app:7", 1000, 7, "/home/app", 0},
		{"1234", 1234, 0, NULL, 0},
		{"1234:5678", 1234, 5678, NULL, 0},
		{":app", 0, 1001, "/root", 0},
		{"nohome", 1002, 1002, NULL, 0},
	};
	static const char *const bad[] = {"nobody", "app:nogroup", "-1",   "4294967295",
	                                  "bad",    "short",       "app:", "app:1:2"};
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;

	image_init_empty(&image);
	add_layer(fixture, &image, fill_base);
	add_layer(fixture, &image, fill_other);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(container_user_release) struct container_user user = {0};

		assert_ok(resolve(fixture, &image, cases[i].text, &user, &err));
		assert_int_equal(user.uid, cases[i].uid);
		assert_int_equal(user.gid, cases[i].gid);
		assert_true(str_eq_null(user.home, cases[i].home));
		assert_int_equal(user.groups.len, cases[i].groups);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct container_user user = {0};

		if (resolve(fixture, &image, bad[i], &user, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(err.code, ERR_NOT_FOUND);
	}
}

static void upper_layers_decide_who_users_are(void **state)
{
	static void (*const hiding[])(struct archive * tar) = {fill_whiteout, fill_opaque,
	                                                       fill_evil};
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(container_user_release) struct container_user user = {0};

	image_init_empty(&image);
	add_layer(fixture, &image, fill_base);
	add_layer(fixture, &image, fill_new_passwd);
	assert_ok(resolve(fixture, &image, "app", &user, &err));
	assert_int_equal(user.uid, 2000);
	image_keep_layers(&image, 1);
	add_layer(fixture, &image, fill_target);
	add_layer(fixture, &image, fill_link);
	container_user_release(&user);
	assert_ok(resolve(fixture, &image, "app", &user, &err));
	assert_int_equal(user.uid, 3000);
	assert_int_equal(user.groups.len, 0);
	for (size_t i = 0; i < ARRAY_LEN(hiding); i++) {
		struct container_user none = {0};

		image_keep_layers(&image, 1);
		add_layer(fixture, &image, hiding[i]);
		assert_int_equal(resolve(fixture, &image, "app", &none, &err), -1);
		assert_int_equal(err.code, ERR_NOT_FOUND);
	}
}

static const struct container_paths paths = {
	.rootfs = "/c/bundle/rootfs",
	.dir = "/c",
	.resolv_conf = "/c/bundle/resolv.conf",
	.hosts = "/c/bundle/hosts",
	.hostname = "/c/bundle/hostname",
};

static void make_image(struct fixture *fixture, struct image *image)
{
	cleanup(strv_release) struct strv entrypoint = STRV_INIT, cmd = STRV_INIT, env = STRV_INIT;

	image_init_empty(image);
	add_layer(fixture, image, fill_base);
	add_layer(fixture, image, fill_other);
	strv_add(&entrypoint, "/bin/tini");
	strv_add(&cmd, "serve");
	strv_add(&env, "A=image");
	strv_add(&env, "B=image");
	image_set_entrypoint(image, &entrypoint);
	image_set_cmd(image, &cmd);
	image_set_env(image, &env);
	image_set_user(image, "app");
}

static json_t *make_config(struct fixture *fixture, struct container_request *request,
                           struct error *err)
{
	cleanup(container_user_release) struct container_user user = {0};

	request->store = &fixture->store;
	if (container_user_resolve(&fixture->store, request->image,
	                           request->user ? request->user : image_user(request->image),
	                           &user, err) < 0)
		fail_msg("%s", err->text);
	return runtime_config_new(request, &paths, &user, &fixture->map, err);
}

/* The strings of a list, joined by spaces. */
static char *joined(const json_t *list)
{
	struct strbuf out = STRBUF_INIT;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		strbuf_addf(&out, "%s%s", i > 0 ? " " : "", json_string_value(item));
	return strbuf_detach(&out);
}

static void assert_list(const json_t *object, const char *key, const char *expected)
{
	cleanup_free char *text = joined(json_object_get(object, key));

	assert_string_equal(text, expected);
}

static void an_image_alone_makes_a_container(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct container_request request = {.image = &image};
	cleanup_free char *low = NULL, *high = NULL, *overlay = NULL;
	cleanup_json json_t *config = NULL;
	const json_t *process, *mounts;

	make_image(fixture, &image);
	config = make_config(fixture, &request, &err);
	assert_non_null(config);
	process = json_object_get(config, "process");
	assert_list(process, "args", "/bin/tini serve");
	assert_list(process, "env",
	            "A=image B=image "
	            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
	            "HOME=/home/app HOSTNAME=locald");
	assert_string_equal(json_get_str(process, "cwd", ""), "/");
	assert_true(json_get_bool(process, "noNewPrivileges", false));
	assert_int_equal(json_get_int(json_object_get(process, "user"), "uid", -1), 1000);
	assert_null(json_object_get(json_object_get(process, "capabilities"), "effective"));
	mounts = json_object_get(config, "mounts");
	low = store_layer_path(&fixture->store, image.diff_ids.items[0]);
	high = store_layer_path(&fixture->store, image.diff_ids.items[1]);
	overlay = xasprintf("lowerdir=%s:%s upperdir=/c/rw/upper workdir=/c/rw/work userxattr",
	                    high, low);
	assert_string_equal(json_get_str(json_array_get(mounts, 0), "destination", ""), "/");
	assert_list(json_array_get(mounts, 0), "options", overlay);
}

static void a_request_changes_what_it_says(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(container_request_release) struct container_request request = {
		.image = &image,
		.hostname = "shop-web",
		.cwd = "/srv",
		.user = "root",
		.is_readonly = true,
		.terminal = true,
		.pids = 100,
	};
	cleanup_json json_t *config = NULL;
	const json_t *process, *mounts, *last;

	make_image(fixture, &image);
	strv_add(&request.args, "sh");
	strv_add(&request.env, "B=mine=really");
	strv_add(&request.env, "HOME=/elsewhere");
	*array_add(&request.mounts) = (struct container_mount){
		.source = "/host/src", .target = "/workspace", .is_readonly = true};
	config = make_config(fixture, &request, &err);
	assert_non_null(config);
	process = json_object_get(config, "process");
	assert_list(process, "args", "sh");
	assert_list(process, "env",
	            "A=image B=mine=really HOME=/elsewhere "
	            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
	            "HOSTNAME=shop-web TERM=xterm-256color");
	assert_string_equal(json_get_str(process, "cwd", ""), "/srv");
	assert_string_equal(json_get_str(config, "hostname", ""), "shop-web");
	assert_true(json_get_bool(json_object_get(config, "root"), "readonly", false));
	assert_non_null(json_object_get(json_object_get(process, "capabilities"), "effective"));
	mounts = json_object_get(config, "mounts");
	last = json_array_get(mounts, json_array_size(mounts) - 1);
	assert_string_equal(json_get_str(last, "destination", ""), "/workspace");
	assert_list(last, "options", "rbind rprivate nosuid nodev ro");
	request.keep_entrypoint = true;
	json_decref(config);
	config = make_config(fixture, &request, &err);
	assert_list(json_object_get(config, "process"), "args", "/bin/tini sh");
}

static void host_root_is_never_mapped(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct container_request request = {.image = &image};
	cleanup_json json_t *config = NULL;
	const json_t *linux_part, *entry;
	size_t i;

	make_image(fixture, &image);
	config = make_config(fixture, &request, &err);
	assert_non_null(config);
	linux_part = json_object_get(config, "linux");
	assert_true(json_array_size(json_object_get(linux_part, "uidMappings")) > 0);
	json_array_foreach(json_object_get(linux_part, "uidMappings"), i, entry)
		assert_true(json_get_int(entry, "hostID", 0) > 0);
}

static void wrong_requests_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static const struct container_mount mounts[] = {
		{.source = "/a", .target = "relative"},
		{.source = "/a", .target = "/"},
		{.source = "relative", .target = "/b"},
		{.target = "/b"},
		{.type = CONTAINER_TMPFS, .target = "/t", .size = -1},
		{.source = "/a"},
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv none = STRV_INIT;
	struct container_request request = {.image = &image};

	make_image(fixture, &image);
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		cleanup(container_request_release) struct container_request wrong = {
			.image = &image};

		*array_add(&wrong.mounts) = mounts[i];
		assert_null(make_config(fixture, &wrong, &err));
		assert_int_equal(err.code, ERR_USAGE);
	}
	request.hostname = "not a name";
	assert_null(make_config(fixture, &request, &err));
	request.hostname = NULL;
	request.cwd = "relative";
	assert_null(make_config(fixture, &request, &err));
	request.cwd = NULL;
	image_set_entrypoint(&image, &none);
	image_set_cmd(&image, &none);
	assert_null(make_config(fixture, &request, &err));
	assert_int_equal(err.code, ERR_USAGE);
}

static void a_single_id_can_be_any_user(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct container_user user = {.uid = 70000, .gid = 70001};
	struct userns_map map;
	int result = runtime_config_map(&user, &map, &err);

	if (map.is_single) {
		assert_int_equal(result, 0);
		assert_int_equal(map.uid[0].inside, 70000);
		assert_int_equal(map.gid[0].inside, 70001);
	} else if (userns_host_uid(&map, 70000) < 0) {
		assert_int_equal(result, -1);
		assert_non_null(strstr(err.text, "70000"));
	}
}

struct plant {
	int dir;
};

/* What a container may leave: files of another user, directories nobody may enter. */
static int plant_files(void *data, struct error *err)
{
	const struct plant *plant = data;

	if (mkdirat(plant->dir, "locked", 0700) < 0 || mkdirat(plant->dir, "locked/in", 0700) < 0 ||
	    symlinkat("/etc", plant->dir, "locked/link") < 0 ||
	    fchmodat(plant->dir, "locked/in", 0000, 0) < 0 ||
	    fchownat(plant->dir, "locked", 1000, 1000, 0) < 0)
		return error_errno(err, errno, "plant files");
	return 0;
}

static void directories_come_and_go_whole(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv layers = STRV_INIT;
	cleanup_free char *dir = fixture_path(fixture, "web");
	cleanup_free char *upper = fixture_path(fixture, "web/rw/upper");
	struct container_request request = {.image = &image, .store = &fixture->store};
	struct plant plant;
	struct stat st;

	make_image(fixture, &image);
	assert_ok(container_dir_create(dir, &request, false, &err));
	assert_int_equal(stat(upper, &st), 0);
	assert_int_equal(st.st_uid, fixture->map.uid[0].outside);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_ok(container_dir_layers(dir, &layers, &err));
	assert_int_equal(layers.len, 2);
	assert_true(strv_has(&layers, image.diff_ids.items[0]));
	assert_int_equal(container_dir_create(dir, &request, false, &err), -1);
	assert_int_equal(err.code, EEXIST);
	plant.dir = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!fixture->map.is_single)
		assert_ok(userns_run(&fixture->map, plant_files, &plant, &err));
	close(plant.dir);
	request.user = "nobody-at-all";
	assert_int_equal(container_dir_create(dir, &request, true, &err), -1);
	assert_true(fs_exists(upper)); /* a failed replacement leaves the old one */
	request.user = NULL;
	assert_ok(container_dir_create(dir, &request, true, &err));
	assert_int_equal(fixture_count(fixture, "web/rw/upper"), 0);
	assert_ok(container_dir_remove(dir, &err));
	assert_false(fs_exists(dir));
	assert_ok(container_dir_remove(dir, &err));
	assert_int_equal(fixture_count(fixture, "."), 3);
}

#define container_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		container_test(users_are_those_of_the_image),
		container_test(upper_layers_decide_who_users_are),
		container_test(an_image_alone_makes_a_container),
		container_test(a_request_changes_what_it_says),
		container_test(host_root_is_never_mapped),
		container_test(wrong_requests_are_refused),
		container_test(a_single_id_can_be_any_user),
		container_test(directories_come_and_go_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
