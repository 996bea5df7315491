#include "shim/cgroup_devices.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Runs the few instructions that the filter is made of, as the kernel would. */
static int64_t run(const struct program *program, const uint32_t context[3])
{
	uint64_t reg[11] = {0};

	for (size_t at = 0; at < program->insns.len; at++) {
		const struct bpf_insn *insn = &program->insns.items[at];
		uint64_t *dst = &reg[insn->dst_reg];

		switch (insn->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(insn->src_reg, 1);
			*dst = context[insn->off / 4];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			*dst = (uint32_t)*dst & (uint32_t)insn->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			*dst = (uint32_t)*dst >> insn->imm;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			*dst = (uint32_t)reg[insn->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*dst = (uint64_t)(int64_t)insn->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			at += *dst != (uint64_t)(int64_t)insn->imm ? (size_t)insn->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += *dst == (uint64_t)(int64_t)insn->imm ? (size_t)insn->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int64_t)reg[0];
		default:
			fail_msg("instruction %zu: code %#x", at, insn->code);
		}
	}
	fail_msg("the program ran over its end");
	return -1;
}

static bool may(const struct spec_resources *resources, char type, uint32_t access, uint32_t major,
                uint32_t minor)
{
	struct program program = {0};
	uint32_t kind = type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;
	const uint32_t context[3] = {access << 16 | kind, major, minor};
	int64_t result;

	build_program(&program, resources);
	result = run(&program, context);
	array_release(&program.insns);
	return result == 1;
}

enum { READ = BPF_DEVCG_ACC_READ, WRITE = BPF_DEVCG_ACC_WRITE, MKNOD = BPF_DEVCG_ACC_MKNOD };

static void the_last_rule_that_matches_decides(void **unused)
{
	struct spec_resources resources = {0};

	*array_add(&resources.devices) =
		(struct spec_device_rule){false, 'a', -1, -1, true, true, true};
	*array_add(&resources.devices) =
		(struct spec_device_rule){true, 'b', 8, -1, true, false, false};
	*array_add(&resources.devices) =
		(struct spec_device_rule){true, 'c', 10, 200, true, true, false};
	*array_add(&resources.devices) =
		(struct spec_device_rule){false, 'b', 8, 5, false, true, false};

	assert_true(may(&resources, 'b', READ, 8, 0));
	assert_false(may(&resources, 'b', WRITE, 8, 0));
	assert_false(may(&resources, 'b', READ | WRITE, 8, 0));
	assert_false(may(&resources, 'b', READ, 9, 0));
	assert_false(may(&resources, 'c', READ, 8, 0));
	assert_true(may(&resources, 'c', READ | WRITE, 10, 200));
	assert_false(may(&resources, 'c', READ, 10, 201));
	assert_false(may(&resources, 'c', READ, 1, 1));
	/* The default devices, and making nodes, always. */
	assert_true(may(&resources, 'c', READ | WRITE, 1, 3));
	assert_true(may(&resources, 'c', READ | WRITE, 136, 7));
	assert_true(may(&resources, 'b', MKNOD, 8, 0));
	assert_false(may(&resources, 'b', MKNOD | WRITE, 8, 0));
	spec_resources_release(&resources);
}

static void without_rules_all_is_allowed(void **unused)
{
	struct spec_resources resources = {0};

	assert_true(may(&resources, 'b', READ | WRITE, 8, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_rule_that_matches_decides),
		cmocka_unit_test(without_rules_all_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
