/* The small sine network: what lines of samples are given becomes values, so many points at a time. */
#ifndef CORE_NETWORK_H
#define CORE_NETWORK_H

#include "layout.h"

enum { POINTS = 256, POINTS_ROOM = POINTS + 16, MOST_LAYERS = 64 };

typedef struct {
    const float *weights; /* by four outputs, then by input, then of each of these four in all lanes */
    const float *bias;
    u32 outputs, inputs; /* outputs rounded up to a multiple of four */
} Layer;

typedef struct {
    const Description *description;
    u32 frequency_count, channels, layer_count, inputs; /* inputs: those beside sines and cosines */
    u32 fields;            /* of the first colour, which the readout adds */
    double period;
    const i32 *frequencies; /* of each, one for each axis */
    const float *skip;      /* of each channel, one for each field and colour */
    const float *sine_weights;
    u32 first_width;
    Layer layers[MOST_LAYERS + 1]; /* the last one is the readout */
    float *first_weights;   /* of the first layer, whose part of sines and cosines follows the place */
    float *inputs_room;     /* rows of POINTS_ROOM: the inputs beside the waves, of which the first are the fields; waves */
    float *waves;           /* sines, then cosines, of the distance from the first point of a line */
    float *turned;          /* sine and cosine of each frequency at the first point */
    float *hidden[2];
    float *values;          /* of the points last asked for, POINTS_ROOM for each channel */
} Network;

/* Read what a host has written, words of it: an answer of core.h.
 *
 * Words: frequencies F, channels C, layers, 0, period (8 bytes), width of each layer, frequencies (F x axes), the
 * factor of each of M inputs, then as float32 sine weights, input weights, and bias of the first layer, weights and
 * bias of each other one, skip, weights and bias of the readout. */
i32 network_make(Network *network, const Layout *layout, const u32 *words, u32 count);

/* Be at the samples of a line from some place on, which has an index for each axis of the description. */
void network_place(Network *network, const u32 *place);

/* Values of points of that line, whose inputs are in their room; a multiple of eight points. */
void network_values(Network *network, u32 points);

#endif
