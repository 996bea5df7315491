#include "shim/swap.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* proc_pid_stat(5) counts from 1; the name, which is the second, may have anything in it. */
#define FIRST_FIELD 3
#define FIELDS      52
#define STAT_MAX    4096

/* Where the linker put the head of the file. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct pages {
	uintptr_t start;
	size_t len;
};

/* From the page of `from` to the end of that of `to`. */
static struct pages pages_of(uintptr_t from, uintptr_t to)
{
	uintptr_t mask = getauxval(AT_PAGESZ) - 1;
	uintptr_t start = from & ~mask;

	return (struct pages){start, ((to + mask) & ~mask) - start};
}

static void *address(uintptr_t number)
{
	return (void *)number;
}

static int protection(const ElfW(Phdr) * segment)
{
	return (segment->p_flags & PF_R ? PROT_READ : 0) |
	       (segment->p_flags & PF_W ? PROT_WRITE : 0) |
	       (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

/* What was written to it stays: a copy without a file takes its place at once. */
static bool swap_written(struct pages at)
{
	char *copy = mmap(NULL, at.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return false;
	memcpy(copy, address(at.start), at.len);
	return mremap(copy, at.len, at.len, MREMAP_MAYMOVE | MREMAP_FIXED, address(at.start)) !=
	       MAP_FAILED;
}

static bool swap_segment(const ElfW(Phdr) * segment, uintptr_t base, int copy)
{
	uintptr_t from = base + segment->p_vaddr;
	struct pages at = pages_of(from, from + segment->p_filesz);
	off_t offset = (off_t)(segment->p_offset - (from - at.start));

	if (segment->p_flags & PF_W)
		return swap_written(at);
	return mmap(address(at.start), at.len, protection(segment), MAP_PRIVATE | MAP_FIXED, copy,
	            offset) != MAP_FAILED;
}

/* What the start of the program had made read-only, it is again. */
static bool protect_again(const ElfW(Phdr) * relro, uintptr_t base)
{
	uintptr_t mask = getauxval(AT_PAGESZ) - 1;
	uintptr_t start = (base + relro->p_vaddr) & ~mask;
	uintptr_t end = (base + relro->p_vaddr + relro->p_memsz) & ~mask;

	return mprotect(address(start), end - start, PROT_READ) == 0;
}

/* The same addresses as before: only with all of them the kernel takes another file. */
static int set_file(int copy)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	uint64_t fields[FIELDS] = {0};
	struct prctl_mm_map map = {.exe_fd = (uint32_t)copy};
	const char *at;

	if (fs_read_file("/proc/self/stat", STAT_MAX, &text, &ignored) < 0)
		return -1;
	at = strrchr(text.buf, ')');
	for (size_t i = FIRST_FIELD; at && i < FIELDS; i++) {
		at = strchr(at + 1, ' ');
		/* The first is a letter, which is not needed. */
		fields[i] = at ? strtoull(at, NULL, 10) : 0;
	}
	map.start_code = fields[26];
	map.end_code = fields[27];
	map.start_stack = fields[28];
	map.start_data = fields[45];
	map.end_data = fields[46];
	map.start_brk = fields[47];
	map.brk = (uintptr_t)sbrk(0);
	map.arg_start = fields[48];
	map.arg_end = fields[49];
	map.env_start = fields[50];
	map.env_end = fields[51];
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

bool swap_program(int copy)
{
	const ElfW(Ehdr) *head = &__ehdr_start;
	const ElfW(Phdr) *first = address((uintptr_t)head + head->e_phoff);
	uintptr_t base = head->e_type == ET_DYN ? (uintptr_t)head : 0;

	for (const ElfW(Phdr) *at = first; at < first + head->e_phnum; at++)
		if (at->p_type == PT_LOAD && !swap_segment(at, base, copy))
			return false;
	for (const ElfW(Phdr) *at = first; at < first + head->e_phnum; at++)
		if (at->p_type == PT_GNU_RELRO && !protect_again(at, base))
			return false;
	return set_file(copy) == 0;
}
