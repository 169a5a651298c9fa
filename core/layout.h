/* Which integers a signal has: subbands of wavelets, level by level, each an array of nodes along 1 to 4 axes. */
#ifndef CORE_LAYOUT_H
#define CORE_LAYOUT_H

#include "core.h"

/* What the host writes; one word each. */
typedef struct {
    u32 version; /* of this structure: 1 */
    u32 axes;    /* 1 to 4 */
    u32 colours; /* 1 to 255 */
    u32 scales;  /* 1 to 16: levels of high-pass subbands */
    u32 samples[MOST_AXES]; /* of the signal along each axis, at least 1; 1 beyond the last axis */
} Description;

/* What the core makes of it, for itself and for the host to read; one word each. */
typedef struct {
    u32 level;       /* 0: low-pass; then high-pass from coarse to fine */
    u32 spacing;     /* samples per node along every axis */
    u32 colour;
    u32 orientation; /* bit axes - 1 - a: high-pass along axis a; 0: low-pass */
    u32 field;       /* to which its wavelets add; the finest three scales have fields of their own */
    u32 nodes[MOST_AXES]; /* along each axis; 1 beyond the last one */
    u32 count;       /* of all its nodes */
    u32 first;       /* the index of its first integer */
} Subband;

typedef struct {
    const Description *description;
    Subband *subbands;
    u32 subband_count, integer_count, kinds; /* kinds: orientations of a high-pass level, 2^axes - 1 */
    u32 levels; /* that were read, the low-pass one among them; the integers of others are 0 */
} Layout;

/* Check a description and lay out its subbands: an answer of core.h. */
i32 layout_make(const Description *description, Layout *layout);

/* Whether a subband is high-pass along an axis. */
static inline u32 is_high(u32 orientation, u32 axis, u32 axes) { return orientation >> (axes - 1 - axis) & 1; }

#endif
