/* Cubic splines through the samples of the sums, which carry them to any coordinate.
 *
 * Signals have four axes, those that are missing come first and have one sample. */
#ifndef CORE_SPLINES_H
#define CORE_SPLINES_H

#include "layout.h"
#include "network.h"
#include "sums.h"

enum { TAPS = 4, STEPS = 3 };

/* The nodes that a position along an axis reads, those beyond the ends moved to the ends, and the weight of each. */
typedef struct {
    u32 count, nodes[TAPS];
    float weights[TAPS];
} Tap;

typedef struct {
    u32 axes, absent, sizes[MOST_AXES];
    u32 fields, read, count; /* of the first colour; sums that are inputs; all sums */
    Sum *sums;         /* whose rows are nodes */
    float *brightness; /* nodes of the sum of the fields of the first colour */
} Splines;

/* Products that stop at a number that no limit reaches. */
#define MOST_WORK (1ull << 60)
static inline u64 at_most_work(u64 one, u64 other) { return other && one > MOST_WORK / other ? MOST_WORK : one * other; }

/* Multiplications that making them takes, about. */
u64 splines_work(const Layout *layout, const Network *outline);

/* Make the nodes of all sums; a network needs no more than its outline. 0 if memory did not suffice. */
int splines_make(Splines *splines, const Layout *layout, const i32 *integers, const Network *outline);

/* The node before a position in cells, limited to a few beyond the ends, and how far the position is from it. */
i32 spline_cell(double position, u32 samples, double *rest);

/* Weights of the node before, of that one and of the two behind it, or of the derivative by the coordinate. */
void spline_weights(double rest, u32 samples, int derivative, float *weights);

Tap spline_tap(double position, u32 samples, int derivative);
static inline Tap no_tap(void) { return (Tap){.count = 1, .weights = {1.0f}}; }

/* A position some samples further, within the outermost samples; and whether it moves with the position. */
double moved_position(double position, u32 samples, i32 step, int *follows);

/* The value of a spline where four positions are. */
float spline_at(const Splines *splines, const float *nodes, const Tap *const *taps);

/* Differences of the brightness around some points, first and second along each axis, mixed for each pair. `seen` puts
 * into a row what is there so many samples along each axis from the points. */
typedef void (*Seen)(const i32 *steps, u32 points, float *row);
void differences_fill(Seen seen, u32 axes, u32 points, float *rows);

/* Readings of the brightness for all differences. */
static inline u32 offset_count(u32 axes) { return 1 + 2 * axes + 2 * axes * (axes - 1); }

#endif
