/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_BYTES_H
#define FY_BYTES_H

/*
 * Byte order and checked arithmetic.  Foreign bytes are decoded only through
 * these, never through packed structs; numbers from outside are added and
 * multiplied only through the checked forms.
 */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FY_KIB (UINT64_C(1) << 10)
#define FY_MIB (UINT64_C(1) << 20)
#define FY_GIB (UINT64_C(1) << 30)
#define FY_TIB (UINT64_C(1) << 40)

#define FY_DEFINE_BYTES(bits)                                                  \
	static inline uint##bits##_t fy_get_le##bits(const void *p)            \
	{                                                                      \
		uint##bits##_t v;                                              \
		memcpy(&v, p, sizeof(v));                                      \
		return (uint##bits##_t)le##bits##toh(v);                       \
	}                                                                      \
	static inline uint##bits##_t fy_get_be##bits(const void *p)            \
	{                                                                      \
		uint##bits##_t v;                                              \
		memcpy(&v, p, sizeof(v));                                      \
		return (uint##bits##_t)be##bits##toh(v);                       \
	}                                                                      \
	static inline void fy_put_le##bits(void *p, uint##bits##_t v)          \
	{                                                                      \
		v = (uint##bits##_t)htole##bits(v);                            \
		memcpy(p, &v, sizeof(v));                                      \
	}                                                                      \
	static inline void fy_put_be##bits(void *p, uint##bits##_t v)          \
	{                                                                      \
		v = (uint##bits##_t)htobe##bits(v);                            \
		memcpy(p, &v, sizeof(v));                                      \
	}

FY_DEFINE_BYTES(16)
FY_DEFINE_BYTES(32)
FY_DEFINE_BYTES(64)

/* True and '*ret' set when the result fits; false (and '*ret' undefined)
 * when it does not. */
static inline bool
fy_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool
fy_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* 'align' is a power of two. */
static inline uint64_t
fy_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/* As above; the caller knows that v + align does not wrap. */
static inline uint64_t
fy_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

/* a / b, rounded up; never overflows.  'b' is not 0. */
static inline uint64_t
fy_div_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static inline bool
fy_is_power_of_two(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* qsort, of nothing too: it wants no NULL. */
static inline void
fy_sort(void *items, size_t n, size_t size,
	int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(items, n, size, compare);
}

static inline uint64_t
fy_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
fy_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Whether all bytes are zero.  Fast for whole units. */
bool fy_is_zero(const void *buf, size_t len);

/* Whether 'a' and 'b' are the same text (both NULL counts as the same). */
bool fy_streq(const char *a, const char *b);

/* Copy 'len' bytes of a fixed, maybe unterminated text field to 'ret' (of
 * 'ret_size' bytes), always terminated, cut at the first NUL. */
void fy_copy_field(char *ret, size_t ret_size, const void *field, size_t len);

#endif
