#include "service/proc_tree.h"

#include <dirent.h>

static void add_children(pid_t pid, struct proc_tree *tree)
{
	char path[96];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		cleanup_file FILE *file = NULL;
		int child;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid,
		         entry->d_name);
		file = fopen(path, "re");
		/* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers. */
		while (file && fscanf(file, "%d", &child) == 1)
			if (tree->pids.len < PROC_TREE_MAX)
				*array_add(&tree->pids) = child;
	}
	if (tasks)
		closedir(tasks);
}

void proc_tree_read(pid_t root, struct proc_tree *ret)
{
	*array_add(&ret->pids) = root;
	for (size_t i = 0; i < ret->pids.len; i++)
		add_children(ret->pids.items[i], ret);
}

void proc_tree_release(struct proc_tree *tree)
{
	array_release(&tree->pids);
}
