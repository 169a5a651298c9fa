/* Inverse wavelets: integers of subbands to sums of wavelets on the samples, row by row of the first axis.
 *
 * Signals have four axes here, those that are missing come first and have one sample; the row of an axis of one
 * sample is all of it. A sum is linear in integers, so that weighted sums of channels cost no more than channels. */
#ifndef CORE_WAVELETS_H
#define CORE_WAVELETS_H

#include "layout.h"

enum { ROW_AXIS_OF_LINES = MOST_AXES - 2 };

typedef struct {
    const float *values; /* on the samples of the coarser scale */
    float weight;
} Coarse;

typedef struct {
    const Subband *bands; /* of one colour and level, all orientations */
    float weight;
} Fine;

/* A weighted sum of channels: from the coarser scale, and from subbands. */
typedef struct {
    Coarse *coarse;
    Fine *fine;
    u32 coarse_count, fine_count;
    float *rows; /* those of the window, SLACK beyond the last one */
} Sum;

/* Rows of one scale, of which a window slides over the first axis; all sums of it go together. */
typedef struct {
    const i32 *integers;
    u32 sizes[MOST_AXES]; /* samples of this scale, right-aligned */
    u32 nodes[MOST_AXES]; /* of the coarser scale */
    u32 axis;             /* along which rows follow each other */
    const u32 *columns;   /* those of a line that are kept, 0: all */
    u32 line;             /* how many these are */
    u32 every, wanted;    /* rows are this far apart from that one on; 0: all of them */
    u32 plane;            /* numbers of a row, all other axes together */
    u32 capacity;         /* rows of the window */
    u32 first, filled, next; /* row at the start of the window; one after the last row there; the next one to lift */
    float *even, *odd;    /* halves of a line */
} Scale;

/* Rows that the window needs to hold beyond those asked for. */
enum { ROWS_AROUND = 8 };

/* A scale of the layout: samples of 2^scale of the signal each; 0 if memory did not suffice. */
int scale_begin(Scale *scale, const Layout *layout, const i32 *integers, u32 number, u32 rows);

/* Keep only some samples of each line, before any row is made, and have rows right only every so many from one on, with
 * those next to them. */
void scale_keep(Scale *scale, const u32 *columns, u32 count, u32 every, u32 wanted);

/* Make rows of all sums up to one, exclusive, dropping those before another one. */
void scale_advance(Scale *scale, Sum *sums, u32 count, u32 from, u32 until);

/* Each channel of the fields but the finest, on the samples of spacing 2: channels [field][colour], 0 for one that is zero
 * as none of its levels was read; 0 without memory. */
float **wavelets_coarse(const Layout *layout, const i32 *integers);

static inline u32 own_fields(const Layout *layout) { return layout->description->scales < 3 ? layout->description->scales : 3; }

/* Subbands of a colour in a level from 1 on, all orientations. */
static inline const Subband *level_bands(const Layout *layout, u32 level, u32 colour) {
    u32 colours = layout->description->colours;
    return layout->subbands + colours + ((level - 1) * colours + colour) * layout->kinds;
}

#endif
