/*
 * heap_shim - how much memory the programs hold that are started with it in LD_PRELOAD.
 *
 * Each writes, in the folder $LOCALD_TEST_HEAP, a file with its process id as name: two 64-bit
 * numbers, the bytes it has from malloc(3) and in how many pieces.  They are always exact, whatever
 * the allocator keeps back for later.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct heap {
	int64_t bytes, pieces;
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *piece);

static struct heap at_first;
static struct heap *heap = &at_first;
static pid_t owner;

static void count(void *piece, int sign)
{
	/* A child of fork(2) shares the file, and what it does is not its parent's. */
	if (!piece || (owner && owner != getpid()))
		return;
	heap->bytes += sign * (int64_t)malloc_usable_size(piece);
	heap->pieces += sign;
}

__attribute__((constructor)) static void open_file(void)
{
	const char *folder = getenv("LOCALD_TEST_HEAP");
	char path[4096];
	void *map;
	int fd;

	if (!folder)
		return;
	owner = getpid();
	snprintf(path, sizeof(path), "%s/%d", folder, (int)owner);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (ftruncate(fd, sizeof(*heap)) == 0) {
		map = mmap(NULL, sizeof(*heap), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED) {
			memcpy(map, &at_first, sizeof(at_first));
			heap = map;
		}
	}
	close(fd);
}

void *malloc(size_t size)
{
	void *piece = __libc_malloc(size);

	count(piece, 1);
	return piece;
}

void *calloc(size_t number, size_t size)
{
	void *piece = __libc_calloc(number, size);

	count(piece, 1);
	return piece;
}

void *realloc(void *old, size_t size)
{
	struct heap before = *heap;
	void *piece;

	count(old, -1);
	piece = __libc_realloc(old, size);
	if (!piece && size > 0)
		*heap = before;
	count(piece, 1);
	return piece;
}

void free(void *piece)
{
	count(piece, -1);
	__libc_free(piece);
}

void *memalign(size_t alignment, size_t size)
{
	void *piece = __libc_memalign(alignment, size);

	count(piece, 1);
	return piece;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *piece = memalign(alignment, size);

	if (!piece)
		return ENOMEM;
	*ret = piece;
	return 0;
}
