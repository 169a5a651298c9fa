/* Integers of all subbands to bits and back, by binary decisions with mixed contexts. */
#ifndef CORE_SUBBANDS_H
#define CORE_SUBBANDS_H

#include "coder.h"
#include "layout.h"

/* Where levels end, the low-pass one first. */
typedef struct {
    u32 wanted;                /* number of levels that a decoder reads, 0: all; the integers of others stay 0 */
    u32 ends[MOST_SCALES + 1]; /* how many of the coded bytes a decoder reads to the end of each */
} Levels;

/* Read or write all integers of a layout; what is returned is an answer of core.h. */
i32 subbands_decode(const Layout *layout, i32 *integers, Coder *coder, Levels *levels);
i32 subbands_encode(const Layout *layout, i32 *integers, Coder *coder, Levels *levels);

#endif
