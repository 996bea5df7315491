#include "../config/folder.h"

#include "daemon/git_head.h"

#define ONE "3f2c1a0b3f2c1a0b3f2c1a0b3f2c1a0b3f2c1a0b"
#define TWO "4f2c1a0b3f2c1a0b3f2c1a0b3f2c1a0b3f2c1a0b"

static struct git_head read_head(const struct folder *folder, const char *at)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(folder->path, at);
	struct git_head head = GIT_HEAD_INIT;

	assert_int_equal(fs_mkdirs(path, 0755, &err), 0);
	if (git_head_read(path, &head, &err) < 0)
		fail_msg("%s", err.text);
	return head;
}

static void expect_commit(const struct folder *folder, const char *at, const char *commit)
{
	cleanup(git_head_release) struct git_head head = read_head(folder, at);

	assert_true(head.is_repository);
	assert_string_equal(head.commit, commit);
	assert_true(head.files.len >= 2);
}

static void a_folder_without_a_repository(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(git_head_release) struct git_head head = read_head(&folder, "a");

	assert_false(head.is_repository);
	assert_string_equal(head.commit, "");
}

static void branches_are_followed_loose_before_packed(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();

	folder_write(&folder, ".git/HEAD", "ref: refs/heads/main\n");
	expect_commit(&folder, "deep/below", "");
	folder_write(&folder, ".git/packed-refs",
	             "# pack-refs with: peeled\n" TWO " refs/heads/maintenance\n" ONE
	             " refs/heads/main\n^" TWO "\n");
	expect_commit(&folder, "deep/below", ONE);
	folder_write(&folder, ".git/refs/heads/main", TWO "\n");
	expect_commit(&folder, ".", TWO);
	folder_write(&folder, ".git/HEAD", ONE "\n");
	expect_commit(&folder, ".", ONE);
}

static void a_worktree_has_its_own_head_and_shared_refs(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();

	folder_write(&folder, "main/.git/HEAD", "ref: refs/heads/main\n");
	folder_write(&folder, "main/.git/refs/heads/feature", ONE "\n");
	folder_write(&folder, "main/.git/worktrees/f/HEAD", "ref: refs/heads/feature\n");
	folder_write(&folder, "main/.git/worktrees/f/commondir", "../..\n");
	folder_write(&folder, "f/.git", "gitdir: ../main/.git/worktrees/f\n");
	expect_commit(&folder, "f", ONE);
}

static void a_lock_of_the_index_means_busy(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	struct git_head head;

	folder_write(&folder, ".git/HEAD", ONE "\n");
	head = read_head(&folder, ".");
	assert_false(head.is_busy);
	git_head_release(&head);
	folder_write(&folder, ".git/index.lock", "");
	head = read_head(&folder, ".");
	assert_true(head.is_busy);
	git_head_release(&head);
}

static void what_cannot_be_understood_is_an_error(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} cases[] = {
		{".git/HEAD", "ref: refs/../../../etc/passwd\n", "HEAD cannot be understood"},
		{".git/HEAD", "", "HEAD cannot be understood"},
		{".git/HEAD", "3f2c1a0\n", "HEAD cannot be understood"},
		{".git/HEAD", "ref: refs/heads/loop\n", "refs point to each other"},
		{".git", "somewhere else", "is no link to a repository"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup(folder_release) struct folder folder = folder_new();
		cleanup(error_release) struct error err = ERROR_INIT;
		struct git_head head = GIT_HEAD_INIT;

		folder_write(&folder, cases[i].name, cases[i].text);
		if (strstr(cases[i].text, "loop"))
			folder_write(&folder, ".git/refs/heads/loop", "ref: refs/heads/loop\n");
		assert_int_equal(git_head_read(folder.path, &head, &err), -1);
		assert_non_null(strstr(err.text, cases[i].message));
	}
}

static void refs_stay_inside_of_the_repository(void **state)
{
	assert_true(git_is_ref("refs/heads/feature/x-1.2"));
	assert_false(git_is_ref("refs/heads/"));
	assert_false(git_is_ref("refs/a/../b"));
	assert_false(git_is_ref("refs//a"));
	assert_false(git_is_ref("refs/.a"));
	assert_false(git_is_ref("HEAD"));
	assert_false(git_is_ref("/refs/heads/a"));
	assert_false(git_is_ref("refs/heads/a\nb"));
}

static void a_reftable_repository_tells_changes_only(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	struct git_head before, after;

	folder_write(&folder, ".git/HEAD", "ref: refs/heads/.invalid\n");
	folder_write(&folder, ".git/reftable/tables.list", "0x1-0x1.ref\n");
	before = read_head(&folder, ".");
	folder_write(&folder, ".git/reftable/tables.list", "0x1-0x2.ref\n");
	after = read_head(&folder, ".");
	assert_string_not_equal(before.commit, after.commit);
	git_head_release(&before);
	git_head_release(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_without_a_repository),
		cmocka_unit_test(branches_are_followed_loose_before_packed),
		cmocka_unit_test(a_worktree_has_its_own_head_and_shared_refs),
		cmocka_unit_test(a_lock_of_the_index_means_busy),
		cmocka_unit_test(what_cannot_be_understood_is_an_error),
		cmocka_unit_test(refs_stay_inside_of_the_repository),
		cmocka_unit_test(a_reftable_repository_tells_changes_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
