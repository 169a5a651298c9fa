/* From integers to values on the samples of a signal, some rows of the first axis at a time. */
#ifndef CORE_PIXELS_H
#define CORE_PIXELS_H

#include "layout.h"

/* Get ready for rows from the first one on; words describe the network (network.h): an answer of core.h.
 *
 * Of each axis every so many samples are wanted, from the middle of the first so many on; 1: all. */
i32 pixels_begin(const Layout *layout, const i32 *integers, const u32 *words, u32 count, u32 every);

/* Make the next rows: how many, 0 after the last one. */
u32 pixels_next(void);

/* Where their values are, float32, those of a sample one after the other. */
const float *pixels_values(void);

#endif
