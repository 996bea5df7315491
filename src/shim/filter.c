#include "shim/filter.h"

#include "base/error.h"
#include "base/fd.h"
#include "shim/spec.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>

static void release_filter(scmp_filter_ctx *context)
{
	seccomp_release(*context);
}

static int add_call(scmp_filter_ctx context, const struct spec_syscall_rule *rule, int call,
                    const char *name, struct error *err)
{
	struct scmp_arg_cmp args[6];
	size_t len = 0;
	int done;

	array_foreach(arg, &rule->args) {
		if (len == ARRAY_LEN(args))
			return error_set(err, ERR_CONFIG,
			                 "linux.seccomp.syscalls: %s has more than 6 conditions",
			                 name);
		args[len++] = (struct scmp_arg_cmp){arg->index, (enum scmp_compare)arg->op,
		                                    arg->value, arg->value_two};
	}
	done = seccomp_rule_add_array(context, rule->action, call, (unsigned)len, args);
	if (done < 0 && done != -EEXIST)
		return error_errno(err, -done, "linux.seccomp.syscalls: %s", name);
	return 0;
}

static int add_rule(scmp_filter_ctx context, const struct spec_seccomp *spec,
                    const struct spec_syscall_rule *rule, struct error *err)
{
	/* A rule that says what the default says adds nothing, and libseccomp refuses it. */
	if (rule->action == spec->default_action)
		return 0;
	for (size_t i = 0; i < rule->names.len; i++) {
		int call = seccomp_syscall_resolve_name(rule->names.items[i]);

		/* Profiles list calls of newer kernels and other machines. */
		if (call == __NR_SCMP_ERROR && spec->is_strict)
			return error_set(err, ERR_CONFIG,
			                 "linux.seccomp.syscalls: %s is not a system call",
			                 rule->names.items[i]);
		if (call == __NR_SCMP_ERROR)
			continue;
		if (add_call(context, rule, call, rule->names.items[i], err) < 0)
			return -1;
	}
	return 0;
}

static int export_program(scmp_filter_ctx context, struct sock_fprog *ret, struct error *err)
{
	cleanup_close int memory = memfd_create("seccomp", MFD_CLOEXEC);
	off_t size;
	int done;

	if (memory < 0)
		return error_errno(err, errno, "memfd_create");
	done = seccomp_export_bpf(context, memory);
	if (done < 0)
		return error_errno(err, -done, "linux.seccomp: compile the filter");
	size = lseek(memory, 0, SEEK_END);
	if (size < 0 || lseek(memory, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "linux.seccomp: read the filter");
	if (size / (off_t)sizeof(struct sock_filter) > BPF_MAXINSNS)
		return error_set(err, E2BIG, "linux.seccomp: the filter is too large");
	ret->filter = xmalloc((size_t)size);
	if (fd_read_exact(memory, ret->filter, (size_t)size, err) < 0)
		return -1;
	ret->len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	return 0;
}

int filter_compile(const struct spec_seccomp *spec, struct sock_fprog *ret, struct error *err)
{
	cleanup(release_filter) scmp_filter_ctx context = NULL;

	*ret = (struct sock_fprog){0};
	if (!spec || !spec->is_set)
		return 0;
	context = seccomp_init(spec->default_action);
	if (!context)
		return error_set(err, ENOMEM, "linux.seccomp: seccomp_init failed");
	for (size_t i = 0; i < spec->arches.len; i++) {
		int done = seccomp_arch_add(context, spec->arches.items[i]);

		if (done < 0 && done != -EEXIST)
			return error_errno(err, -done, "linux.seccomp.architectures[%zu]", i);
	}
	array_foreach(rule, &spec->rules)
		if (add_rule(context, spec, rule, err) < 0)
			return -1;
	return export_program(context, ret, err);
}
