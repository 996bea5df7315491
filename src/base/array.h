/*
 * array - a growable array of values: `ARRAY(struct lease) leases = {0};`.
 *
 * array_add() returns a zeroed new element; adding moves the others, so keep
 * indexes, not pointers, across it.  array_release() frees the storage only:
 * what elements own is the caller's.
 */
#pragma once

#include "base/mem.h"

#include <stdint.h>

#include <stdbool.h>
#include <string.h>

#define ARRAY(type)                                                                                \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t len, cap;                                                                   \
	}

void *array_grow(void *items, size_t *cap, size_t len, size_t size);

#define array_add(a)                                                                               \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		a_->items = array_grow(a_->items, &a_->cap, a_->len, sizeof(*a_->items));          \
		memset(&a_->items[a_->len], 0, sizeof(*a_->items));                                \
		&a_->items[a_->len++];                                                             \
	})

#define array_foreach(item, a)                                                                     \
	for (__typeof__((a)->items[0]) *item = (a)->items; item && item < (a)->items + (a)->len;   \
	     item++)

#define array_index(a, item) ((size_t)((item) - (a)->items))

/* Removes one element, keeping the order of the others. */
#define array_remove(a, item)                                                                      \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		size_t i_ = (size_t)((item)-a_->items);                                            \
		memmove(&a_->items[i_], &a_->items[i_ + 1],                                        \
		        (a_->len - i_ - 1) * sizeof(*a_->items));                                  \
		a_->len--;                                                                         \
	})

/* Removes the first element that is `value`, if there is one. */
#define array_drop(a, value)                                                                       \
	({                                                                                         \
		array_foreach(item_, a) {                                                          \
			if (*item_ != (value))                                                     \
				continue;                                                          \
			array_remove(a, item_);                                                    \
			break;                                                                     \
	}                                                                                          \
	})

#define array_release(a)                                                                           \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		free(a_->items);                                                                   \
		a_->items = NULL;                                                                  \
		a_->len = a_->cap = 0;                                                             \
	})

#define array_sort(a, cmp)                                                                         \
	do {                                                                                       \
		if ((a)->len > 1)                                                                  \
			qsort((a)->items, (a)->len, sizeof(*(a)->items), (cmp));                   \
	} while (0)
