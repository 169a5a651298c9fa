/* Probabilities on a line where evidence adds up: stretch(p) = ln(p / (1 - p)), and squash, its inverse.
 *
 * Probabilities are in units of 2^-16, stretched ones in units of 2^-8. Both tables follow from integers alone. */
#ifndef CORE_LOGISTIC_H
#define CORE_LOGISTIC_H

#include "core.h"

enum { FARTHEST = 2815, STRETCHED = 4096 };

extern i32 squash_table[2 * FARTHEST + 1]; /* of -FARTHEST to FARTHEST */
extern i32 stretch_table[STRETCHED];       /* of every sixteenth probability, from 8 on */

void logistic_begin(void);

/* No branch but for the limits: the signs of what comes in are close to random. */
static inline i32 squash(i32 stretched) {
    stretched = stretched > FARTHEST ? FARTHEST : stretched;
    stretched = stretched < -FARTHEST ? -FARTHEST : stretched;
    return squash_table[stretched + FARTHEST];
}

static inline i32 stretch(u32 probability) { return stretch_table[probability >> 4]; } /* of 0 to 65535 */

#endif
