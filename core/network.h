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

/* How the first layer comes by the waves, sines and cosines of frequencies times places. */
typedef enum {
    WAVES_OF_SAMPLES, /* those of the distance from the first of POINTS samples, for which the weights are turned */
    WAVES_OF_LINES,   /* likewise of any distance along the last axis; once for all frequencies alike along it */
    WAVES_OF_POINTS,  /* those of every point, with its phases; cosines for wavelets only */
} Waves;

enum { NETWORK_OF_WAVELETS = 0, NETWORK_OF_SINES = 1 };

/* Which values of a network are wanted, one after the other; none: all. */
typedef struct {
    u32 first, count;
} Outputs;

typedef struct {
    const Description *description;
    Waves mode;
    u32 is_sines;
    u32 frequency_count, channels, layer_count, inputs; /* inputs: those beside sines and cosines */
    u32 wave_rows;         /* of the inputs of the first layer, behind these */
    u32 fields;            /* of the first colour, which the readout adds */
    u64 products;          /* multiplications that a point takes in the layers */
    double period;
    const i32 *frequencies; /* of each, one for each axis */
    const float *phases;    /* of sines, in radians; else 0 */
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
    u64 room;               /* bytes of a layer's rows */
    /* Of lines. */
    u32 alike_count;        /* different sizes of a frequency along the last axis */
    u32 *alike;             /* which one each frequency has */
    double *sizes;
    float *by_frequency;    /* weights of each sine, then of each cosine, for all neurons */
    float *turned_weights;  /* the same, turned and added up */
    /* Of derivatives, for each axis: of the inputs, laid out as these, and of two layers. */
    float *slopes[MOST_AXES][3];
} Network;

/* Read what a host has written, words of it: an answer of core.h.
 *
 * Words: frequencies F, channels C, layers, kind, period (8 bytes), width of each layer, frequencies (F x axes). Then of
 * wavelets the factor of each of M inputs, and as float32 sine weights, input weights, and bias of the first layer,
 * weights and bias of each other one, skip, weights and bias of the readout. Of sines phases, weights and bias of each
 * layer, weights and bias of the readout, all float32. */
i32 network_make(Network *network, const Description *description, const u32 *words, u32 count, Waves mode, Outputs outputs);

/* Check the words, and learn from them what takes no memory: an answer of core.h. */
i32 network_outline(Network *network, const Description *description, const u32 *words, u32 count);

/* How many words a network has by its head, those up to the widths; 0 if that is none. */
u64 network_size(const Description *description, const u32 *head, u32 count);

/* Of samples, before the first line: its points are so many of them apart. */
void network_every(Network *network, u32 samples);

/* Be at the samples of a line from some place on, which has an index for each axis of the description. */
void network_place(Network *network, const u32 *place);

/* Be at the points of a line from some place on, which has a coordinate for each axis of the description. */
void network_turn(Network *network, const double *place);

/* How far points of a line, at most POINTS, lie from its first one. */
void network_distances(Network *network, const double *distances, u32 points);

/* Waves of some points, each with a coordinate for every axis, and with `slopes` their derivatives. */
void network_points(Network *network, const double *coordinates, u32 points, int slopes);

/* Values of points of that line, whose inputs are in their room; a multiple of eight points. */
void network_values(Network *network, u32 points);

/* Take room for derivatives; 0 if memory did not suffice. */
int network_take_slopes(Network *network);

/* Bring derivatives of the inputs to the last layer, then one of them to the values. */
void network_slopes(Network *network, u32 points);
void network_slope(Network *network, u32 axis, u32 points);

#endif
