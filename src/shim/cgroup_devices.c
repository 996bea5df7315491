#include "shim/cgroup.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#define INSNS_MAX 4096 /* what the kernel takes from everybody */

/* What every container may use: the default devices, terminals, and making any node. */
static const struct spec_device_rule always[] = {
	{true, 'c', -1, -1, false, false, true}, {true, 'b', -1, -1, false, false, true},
	{true, 'c', 1, 3, true, true, true},     {true, 'c', 1, 5, true, true, true},
	{true, 'c', 1, 7, true, true, true},     {true, 'c', 1, 8, true, true, true},
	{true, 'c', 1, 9, true, true, true},     {true, 'c', 5, 0, true, true, true},
	{true, 'c', 5, 1, true, true, true},     {true, 'c', 5, 2, true, true, true},
	{true, 'c', 136, -1, true, true, true},
};

static void add_number(struct strbuf *out, int64_t number)
{
	if (number < 0)
		strbuf_addch(out, '*');
	else
		strbuf_addf(out, "%lld", (long long)number);
}

/* v1: "c 1:3 rwm" into devices.allow or devices.deny. */
static int write_rule(const char *dir, const struct spec_device_rule *rule, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_addch(&text, rule->type);
	if (rule->type != 'a' || rule->major >= 0 || rule->minor >= 0) {
		strbuf_addch(&text, ' ');
		add_number(&text, rule->major);
		strbuf_addch(&text, ':');
		add_number(&text, rule->minor);
		strbuf_addf(&text, " %s%s%s", rule->read ? "r" : "", rule->write ? "w" : "",
		            rule->mknod ? "m" : "");
	}
	return cgroup_write(dir, rule->allow ? "devices.allow" : "devices.deny", text.buf, err);
}

static int set_v1(const char *dir, const struct spec_resources *resources, struct error *err)
{
	array_foreach(rule, &resources->devices)
		if (write_rule(dir, rule, err) < 0)
			return error_wrap(err, "linux.resources.devices[%zu]",
			                  array_index(&resources->devices, rule));
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (write_rule(dir, &always[i], err) < 0)
			return -1;
	return 0;
}

/* The program of a v2 cgroup, as it grows. */
struct program {
	ARRAY(struct bpf_insn) insns;
};

static void emit(struct program *program, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
                 int32_t imm)
{
	*array_add(&program->insns) = (struct bpf_insn){
		.code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = off, .imm = imm};
}

enum reg { R0, R1, TYPE, ACCESS, MAJOR, MINOR };

/* struct bpf_cgroup_dev_ctx: access_type (type below, access above bit 16), major, minor. */
static void emit_prologue(struct program *program)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, TYPE, R1, 0, 0);
	emit(program, BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(program, BPF_LDX | BPF_MEM | BPF_W, ACCESS, R1, 0, 0);
	emit(program, BPF_ALU | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	emit(program, BPF_LDX | BPF_MEM | BPF_W, MAJOR, R1, 4, 0);
	emit(program, BPF_LDX | BPF_MEM | BPF_W, MINOR, R1, 8, 0);
}

static void emit_return(struct program *program, int value)
{
	emit(program, BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, value);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Jumps over the rest of the rule's block when it does not match. */
static void emit_rule(struct program *program, const struct spec_device_rule *rule)
{
	int32_t access = (rule->read ? BPF_DEVCG_ACC_READ : 0) |
	                 (rule->write ? BPF_DEVCG_ACC_WRITE : 0) |
	                 (rule->mknod ? BPF_DEVCG_ACC_MKNOD : 0);
	bool has_access = access != 7, has_type = rule->type != 'a';
	int16_t left =
		(int16_t)(2 + 3 * has_access + has_type + (rule->major >= 0) + (rule->minor >= 0));

	if (has_type)
		emit(program, BPF_JMP | BPF_JNE | BPF_K, TYPE, 0, --left,
		     rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
	if (has_access) {
		left = (int16_t)(left - 3);
		emit(program, BPF_ALU | BPF_MOV | BPF_X, R1, ACCESS, 0, 0);
		/* Allowed: nothing beyond the rule is wanted.  Denied: anything of it is. */
		emit(program, BPF_ALU | BPF_AND | BPF_K, R1, 0, 0,
		     rule->allow ? ~access & 7 : access);
		emit(program, BPF_JMP | (rule->allow ? BPF_JNE : BPF_JEQ) | BPF_K, R1, 0, left, 0);
	}
	if (rule->major >= 0)
		emit(program, BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, --left, (int32_t)rule->major);
	if (rule->minor >= 0)
		emit(program, BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, --left, (int32_t)rule->minor);
	emit_return(program, rule->allow);
}

/* The last rule that matches decides, so the program looks at them from the end. */
static void build_program(struct program *program, const struct spec_resources *resources)
{
	emit_prologue(program);
	for (size_t i = ARRAY_LEN(always); i-- > 0;)
		emit_rule(program, &always[i]);
	for (size_t i = resources->devices.len; i-- > 0;)
		emit_rule(program, &resources->devices.items[i]);
	emit_return(program, 1);
}

static int load_program(const struct spec_resources *resources)
{
	struct program program = {0};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE};
	int fd = -1;

	build_program(&program, resources);
	load.insns = (uint64_t)(uintptr_t)program.insns.items;
	load.insn_cnt = (uint32_t)program.insns.len;
	load.license = (uint64_t)(uintptr_t) "";
	if (program.insns.len <= INSNS_MAX)
		fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	else
		errno = E2BIG;
	array_release(&program.insns);
	return fd;
}

static int attach_program(const struct cgroup_dir *dir, const struct spec_resources *resources,
                          struct error *err)
{
	cleanup_close int cgroup = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = load_program(resources);
	union bpf_attr attach = {.attach_type = BPF_CGROUP_DEVICE,
	                         .attach_flags = BPF_F_ALLOW_MULTI};

	if (fd < 0)
		return error_errno(err, errno, "linux.resources.devices: load the filter");
	attach.target_fd = (uint32_t)cgroup;
	attach.attach_bpf_fd = (uint32_t)fd;
	if (cgroup < 0 || syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0)
		return error_errno(err, errno, "linux.resources.devices: attach the filter to %s",
		                   dir->path);
	return 0;
}

int cgroup_set_devices(const struct cgroup *cgroup, const struct spec_resources *resources,
                       struct error *err)
{
	const struct cgroup_dir *v2 = NULL;

	if (resources->devices.len == 0)
		return 0;
	array_foreach(dir, &cgroup->dirs) {
		if (!dir->is_v2 && cgroup_has_controller(dir->controllers, "devices"))
			return set_v1(dir->path, resources, err);
		if (dir->is_v2)
			v2 = dir;
	}
	if (!v2)
		return error_set(err, ERR_UNSUPPORTED,
		                 "linux.resources.devices: this host has no device control");
	return attach_program(v2, resources, err);
}
