#include "base/array.h"

void *array_grow(void *items, size_t *cap, size_t len, size_t size)
{
	if (len < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 4;
	if (*cap > SIZE_MAX / size)
		abort();
	return xrealloc(items, *cap * size);
}
