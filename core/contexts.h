/* What is known around a node before it is coded: magnitudes in its own subband and at its place in others.
 *
 * Every subband keeps a plane: its values limited to 127 either way, one byte each, with a border of two zeros before
 * every axis, so that neighbours are fixed distances away and rows can be added up many nodes at a time. */
#ifndef CORE_CONTEXTS_H
#define CORE_CONTEXTS_H

#include "layout.h"

enum { BORDER = 2, NEAREST = 127, MOST_BEFORE = 64 };

/* Neighbours that come before a node, by what they tell. */
enum { ALONG, ACROSS, CORNER, WIDE, BEFORE_KINDS };

typedef struct {
    i8 *nodes;              /* 0 if nothing was kept */
    u32 strides[MOST_AXES]; /* bytes from one node to the next along each axis */
    i32 origin;             /* of node 0, ..., 0 */
    u32 bytes;              /* with the border and some room at the end */
} Plane;

typedef struct {
    i32 distance; /* to a neighbour in a row before this one */
    i32 kind;
} Before;

/* Sums of magnitudes for every node of one row; what is in the row itself, before the node, comes on top. */
typedef struct {
    u16 *before[BEFORE_KINDS];
    u16 *parent;   /* 3^D nodes around the place in the level before, for two nodes of the row each */
    u16 *siblings; /* 3^D around it in the orientations before, added up */
    u16 *colour;   /* 3^D around it in the colour before */
    u16 *active;   /* 0 if all of this is 0 */
    i32 *outside;  /* expected magnitude by what is not in this subband, in shares */
    u16 *scratch;
} Rows;

typedef struct {
    const Layout *layout;
    const Subband *band;
    Plane own, parent, siblings, colour;
    Before before[MOST_BEFORE];
    u32 before_count;
    u32 last;             /* the axis along which rows run */
    i32 share_row;        /* share of the neighbour before in the row */
    i32 row_kind;         /* ALONG or ACROSS, of the same neighbour */
    i32 shares[BEFORE_KINDS];
    u32 reciprocal;       /* 2^24 / sum of all counts */
    u32 reciprocal_own, reciprocal_outside;
    Rows rows;
} Surroundings;

/* Take memory for the plane of a subband: 0 if there is none. */
int plane_take(const Layout *layout, const Subband *band, Plane *plane);

/* Get ready for a subband. */
void surroundings_begin(Surroundings *surroundings);

/* Sum up what is known before the first node of a row, whose place along the other axes is given. */
void surroundings_row(Surroundings *surroundings, const u32 *place);

static inline u32 magnitude(i32 value) { return (u32)(value < 0 ? -value : value); }

enum { COARSE = 512 };

extern u8 coarse_table[COARSE];

void coarse_begin(void);

static inline u32 coarse_of(u32 sum) {
    if (sum < 4) return sum;
    u32 bits = 31 - (u32)__builtin_clz(sum);
    return 4 * (bits - 1) + (sum >> (bits - 2) & 3);
}

/* 0 to 3 as they are, then four steps for every doubling; a table, as branches on small sums are guessed badly. */
static inline u32 coarse(u32 sum) { return sum < COARSE ? coarse_table[sum] : coarse_of(sum); }

static inline u32 least(u32 one, u32 other) { return one < other ? one : other; }

#endif
