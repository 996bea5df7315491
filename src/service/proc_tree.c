#include "service/proc_tree.h"

#include <dirent.h>

static void add_children_of_thread(struct proc_tree *tree, pid_t pid, const char *thread)
{
	cleanup_file FILE *file = NULL;
	char path[96];
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, thread);
	file = fopen(path, "re");
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers. */
	while (file && fscanf(file, "%d", &child) == 1)
		if (tree->pids.len < PROC_TREE_MAX)
			*array_add(&tree->pids) = child;
}

void proc_tree_add_children(struct proc_tree *tree, pid_t pid, int threads)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	if (threads == 1) {
		snprintf(path, sizeof(path), "%d", (int)pid);
		add_children_of_thread(tree, pid, path);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			add_children_of_thread(tree, pid, entry->d_name);
	if (tasks)
		closedir(tasks);
}

void proc_tree_read(pid_t root, struct proc_tree *ret)
{
	*array_add(&ret->pids) = root;
	for (size_t i = 0; i < ret->pids.len; i++)
		proc_tree_add_children(ret, ret->pids.items[i], 0);
}

void proc_tree_release(struct proc_tree *tree)
{
	array_release(&tree->pids);
}
