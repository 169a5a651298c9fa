/* What is carried to the samples of a wavelet network: weighted sums of channels, of which the network reads no others.
 *
 * In this order: fields of the first colour; the sum of the fields of every other colour; if there are such colours,
 * for each channel of the values what the skip makes of their fields. */
#ifndef CORE_SUMS_H
#define CORE_SUMS_H

#include "layout.h"
#include "network.h"
#include "wavelets.h"

/* How many of them a network has, and how many of these it reads as inputs. */
static inline u32 sums_read(const Network *network) { return network->fields + network->description->colours - 1; }
static inline u32 sums_count(const Network *network) {
    return sums_read(network) + (network->description->colours > 1 ? network->channels : 0);
}

/* All sums, with room for the rows of a scale's window; 0 if memory did not suffice. */
Sum *sums_make(const Layout *layout, const Network *network, const Scale *scale, float **coarse);

#endif
