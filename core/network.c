#include "network.h"

#include "memory.h"
#include "sine.h"

/* Angles are in half turns from the weights on. */
#define HALF_TURNS 0.318309886183790671538

static u32 fours(u32 count) { return (count + 3) & ~3u; }

/* Where the weight of an output and an input is, in all lanes, which spares every use a broadcast. */
static u64 weight_at(u32 output, u32 input, u32 inputs) {
    return (((u64)(output / 4) * inputs + input) * 4 + output % 4) * LANES;
}

/* Weights of a row by row matrix where `layer_sum` looks for them, from some input on. */
SELDOM static void put_weights(float *to, u32 all, u32 from, const float *matrix, u32 outputs, u32 inputs, u32 stride, const float *factors, double unit) {
    for (u32 output = 0; output < outputs; output++)
        for (u32 input = 0; input < inputs; input++)
            store4(to + weight_at(output, from + input, all),
                   all4((float)((double)matrix[(u64)output * stride + input] * unit * (factors ? factors[input] : 1.0f))));
}

SELDOM static float *layer_take(Layer *layer, u32 outputs, u32 inputs, const float *bias, double unit) {
    layer->outputs = fours(outputs);
    layer->inputs = inputs;
    float *weights = memory_take((u64)layer->outputs * inputs * LANES * sizeof(float));
    float *padded = memory_take((u64)layer->outputs * sizeof(float));
    if (!weights || !padded) return 0;
    for (u32 output = 0; output < outputs; output++) padded[output] = (float)((double)bias[output] * unit);
    layer->weights = weights;
    layer->bias = padded;
    return weights;
}

/* Sines and cosines of the distance from the first of POINTS points along the last axis. */
SELDOM void network_every(Network *network, u32 samples) {
    const Description *d = network->description;
    u32 count = network->frequency_count, last = d->axes - 1;
    for (u32 each = 0; each < count; each++)
        for (u32 point = 0; point < POINTS_ROOM; point++) {
            double distance = 2.0 * (double)point * (double)samples / (double)d->samples[last];
            Turn turn = turn_of((double)network->frequencies[each * d->axes + last] * distance / network->period);
            network->waves[(u64)each * POINTS_ROOM + point] = (float)turn.sine;
            network->waves[(u64)(count + each) * POINTS_ROOM + point] = (float)turn.cosine;
        }
}

/* Which frequencies are alike along the last axis but for their sign: 0 if memory did not suffice. */
SELDOM static int alike_find(Network *network) {
    u32 axes = network->description->axes, count = network->frequency_count, slots = 4;
    while (slots < 2 * count) slots *= 2;
    u32 *table = memory_take((u64)slots * sizeof(u32)); /* one more than the number of a size; 0: free */
    network->alike = memory_take((u64)count * sizeof(u32) + 4);
    network->sizes = memory_take((u64)count * sizeof(double) + 8);
    if (!table || !network->alike || !network->sizes) return 0;
    for (u32 each = 0; each < count; each++) {
        i32 number = network->frequencies[(u64)each * axes + axes - 1];
        u32 size = number < 0 ? 0u - (u32)number : (u32)number, at = size * 2654435761u & (slots - 1);
        while (table[at] && network->sizes[table[at] - 1] != (double)size) at = (at + 1) & (slots - 1);
        if (!table[at]) {
            network->sizes[network->alike_count++] = (double)size;
            table[at] = network->alike_count;
        }
        network->alike[each] = table[at] - 1;
    }
    return 1;
}

/* Weights of waves by frequency, four neurons side by side. */
SELDOM static int by_frequency_make(Network *network) {
    u32 count = network->frequency_count, width = fours(network->first_width), columns = network->is_sines ? count : 2 * count;
    network->by_frequency = memory_take((u64)columns * width * sizeof(float));
    network->turned_weights = memory_take(2ull * network->alike_count * width * sizeof(float));
    if (!network->by_frequency || !network->turned_weights) return 0;
    for (u32 output = 0; output < network->first_width; output++)
        for (u32 each = 0; each < columns; each++)
            network->by_frequency[(u64)each * width + output] = network->sine_weights[(u64)output * columns + each];
    return 1;
}

typedef struct {
    u64 words, products;
    u32 widest, inputs, fields, skipped, columns;
} Size;

/* What a network comes to; no words if a number is out of its range. */
SELDOM static Size size_of(const Description *d, const u32 *words, u32 count) {
    const u32 most = 1 << 16;
    Size size = {0};
    if (count < 6) return size;
    u32 frequencies = words[0], channels = words[1], layers = words[2], is_sines = words[3] == NETWORK_OF_SINES;
    double period;
    __builtin_memcpy(&period, words + 4, sizeof(double));
    if (frequencies > most || channels < 1 || channels > most || layers < 1 || layers > MOST_LAYERS || count < 6 + layers ||
        words[3] > NETWORK_OF_SINES || !(period > 1e-30 && period < 1e30))
        return size;
    u32 own = d->scales < 3 ? d->scales : 3, axes = d->axes;
    if (!is_sines) {
        size.fields = own + 1;
        size.inputs = own + d->colours + axes * (axes + 3) / 2;
        size.skipped = (own + 1) * d->colours;
    }
    size.columns = is_sines ? frequencies : 2 * frequencies;
    u64 expected = 6ull + layers + (u64)frequencies * axes + (is_sines ? frequencies : size.inputs);
    u64 width = size.columns + size.inputs, products = 0;
    size.widest = channels;
    for (u32 layer = 0; layer < layers; layer++) {
        if (words[6 + layer] < 1 || words[6 + layer] > most) return (Size){0};
        products += words[6 + layer] * width + words[6 + layer];
        width = words[6 + layer];
        if (width > size.widest) size.widest = (u32)width;
    }
    products += channels * (width + size.skipped + 1);
    size.words = expected + products;
    size.products = products;
    return size;
}

u64 network_size(const Description *d, const u32 *head, u32 count) { return size_of(d, head, count).words; }

SELDOM i32 network_outline(Network *network, const Description *d, const u32 *words, u32 count) {
    Size size = size_of(d, words, count);
    if (size.words != count || !count) return CORE_BAD_NETWORK;
    *network = (Network){.description = d, .is_sines = words[3], .frequency_count = words[0], .channels = words[1],
                         .layer_count = words[2], .inputs = size.inputs, .fields = size.fields, .products = size.products};
    __builtin_memcpy(&network->period, words + 4, sizeof(double));
    network->skip = (const float *)words + count - words[1] * (words[5 + words[2]] + 1ull + size.skipped);
    return CORE_FINE;
}

SELDOM i32 network_make(Network *network, const Description *d, const u32 *words, u32 count, Waves mode, Outputs outputs) {
    i32 answer = network_outline(network, d, words, count);
    if (answer) return answer;
    if (!outputs.count) outputs = (Outputs){0, network->channels};
    if (outputs.first >= network->channels || outputs.count > network->channels - outputs.first) return CORE_BAD_NETWORK;
    Size size = size_of(d, words, count);
    network->mode = mode;
    u32 frequencies = words[0], channels = words[1], layers = words[2], own_inputs = size.inputs;
    const u32 *widths = words + 6;
    network->frequencies = (const i32 *)(widths + layers);
    network->first_width = widths[0];
    const float *next = (const float *)(network->frequencies + (u64)frequencies * d->axes), *factors = 0;
    if (network->is_sines) {
        network->phases = next;
        next += frequencies;
    } else {
        factors = next;
        next += own_inputs;
    }
    network->sine_weights = next;
    next += (u64)widths[0] * size.columns;
    if (mode == WAVES_OF_LINES && (!alike_find(network) || !by_frequency_make(network))) return CORE_NO_MEMORY;
    network->wave_rows = mode == WAVES_OF_LINES ? 2 * network->alike_count : mode == WAVES_OF_POINTS ? size.columns : 2 * frequencies;
    u32 inputs = network->wave_rows + own_inputs;
    network->first_weights = layer_take(network->layers, widths[0], inputs, next + (u64)widths[0] * own_inputs, HALF_TURNS);
    if (!network->first_weights) return CORE_NO_MEMORY;
    put_weights(network->first_weights, inputs, 0, next, widths[0], own_inputs, own_inputs, factors, HALF_TURNS);
    if (mode == WAVES_OF_POINTS)
        put_weights(network->first_weights, inputs, own_inputs, network->sine_weights, widths[0], size.columns, size.columns, 0, HALF_TURNS);
    next += (u64)widths[0] * own_inputs + widths[0];
    for (u32 layer = 1; layer < layers; layer++) {
        u32 before = widths[layer - 1];
        float *weights = layer_take(network->layers + layer, widths[layer], before, next + (u64)widths[layer] * before, HALF_TURNS);
        if (!weights) return CORE_NO_MEMORY;
        put_weights(weights, before, 0, next, widths[layer], before, before, 0, HALF_TURNS);
        next += (u64)widths[layer] * before + widths[layer];
    }
    u32 width = widths[layers - 1], read = width + size.fields;
    next += (u64)channels * size.skipped;
    const float *skip = network->skip + (u64)outputs.first * size.skipped, *bias = next + (u64)channels * width + outputs.first;
    float *weights = layer_take(network->layers + layers, outputs.count, read, bias, 1.0);
    if (!weights) return CORE_NO_MEMORY;
    put_weights(weights, read, 0, next + (u64)outputs.first * width, outputs.count, width, width, 0, 1.0);
    for (u32 field = 0; field < size.fields; field++)
        put_weights(weights, read, width + field, skip + (u64)field * d->colours, outputs.count, 1, size.skipped, 0, 1.0);
    network->channels = outputs.count;

    network->room = ((u64)fours(size.widest) + size.fields) * POINTS_ROOM * sizeof(float);
    network->inputs_room = memory_take((u64)inputs * POINTS_ROOM * sizeof(float));
    network->turned = memory_take(2ull * frequencies * sizeof(float) + 16);
    network->hidden[0] = memory_take(network->room);
    network->hidden[1] = memory_take(network->room);
    network->values = memory_take(network->room);
    if (!network->inputs_room || !network->turned || !network->hidden[0] || !network->hidden[1] || !network->values)
        return CORE_NO_MEMORY;
    network->waves = network->inputs_room + (u64)own_inputs * POINTS_ROOM;
    return CORE_FINE;
}

ONCE void network_place(Network *network, const u32 *place) {
    const Description *d = network->description;
    u32 count = network->frequency_count, inputs = network->layers[0].inputs;
    for (u32 each = 0; each < count; each++) {
        double turns = 0.0;
        for (u32 axis = 0; axis < d->axes; axis++) {
            double at = (2.0 * (double)place[axis] + 1.0) / (double)d->samples[axis] - 1.0;
            turns += (double)network->frequencies[each * d->axes + axis] * at / network->period;
        }
        Turn turn = turn_of(turns);
        network->turned[each] = (float)(turn.sine * HALF_TURNS);
        network->turned[count + each] = (float)(turn.cosine * HALF_TURNS);
    }
    /* w sin(a + b) + v cos(a + b) = (w cos a - v sin a) sin b + (w sin a + v cos a) cos b: a is here, b from here on. */
    for (u32 output = 0; output < network->first_width; output++) {
        const float *row = network->sine_weights + (u64)output * 2 * count;
        float *to = network->first_weights + weight_at(output, network->inputs, inputs);
        for (u32 each = 0; each < count; each++) {
            float sine = network->turned[each], cosine = network->turned[count + each];
            store4(to + 4 * LANES * each, all4(row[each] * cosine - row[count + each] * sine));
            store4(to + 4 * LANES * (count + each), all4(row[each] * sine + row[count + each] * cosine));
        }
    }
}

ONCE void network_turn(Network *network, const double *place) {
    u32 axes = network->description->axes, count = network->frequency_count, width = fours(network->first_width);
    u64 all = (u64)network->alike_count * width;
    float *sines = network->turned_weights, *cosines = sines + all;
    for (u64 each = 0; each < 2 * all; each++) sines[each] = 0.0f;
    for (u32 each = 0; each < count; each++) {
        const i32 *frequency = network->frequencies + (u64)each * axes;
        double turns = 0.0;
        for (u32 axis = 0; axis < axes; axis++) turns += (double)frequency[axis] * place[axis];
        turns /= network->period;
        if (network->phases) turns += (double)network->phases[each] * (0.5 * HALF_TURNS);
        Turn turn = quick_turn(turns);
        f32x4 sine = all4((float)(turn.sine * HALF_TURNS)), cosine = all4((float)(turn.cosine * HALF_TURNS));
        /* As below, b being that of the size of the frequency along the last axis. */
        f32x4 sign = all4(frequency[axes - 1] < 0 ? -1.0f : 1.0f);
        const float *row = network->by_frequency + (u64)each * width, *other = row + (u64)count * width;
        float *to = sines + (u64)network->alike[each] * width, *more = cosines + (u64)network->alike[each] * width;
        for (u32 output = 0; output < width; output += LANES) {
            f32x4 w = load4(row + output), along = w * cosine, here = w * sine;
            if (!network->is_sines) {
                f32x4 v = load4(other + output);
                along = along - v * sine, here = here + v * cosine;
            }
            store4(to + output, load4(to + output) + sign * along);
            store4(more + output, load4(more + output) + here);
        }
    }
    u32 rows = network->wave_rows, inputs = network->layers[0].inputs;
    for (u32 output = 0; output < network->first_width; output++) {
        float *to = network->first_weights + weight_at(output, network->inputs, inputs);
        for (u32 each = 0; each < rows; each++) store4(to + 4 * LANES * each, all4(sines[(u64)each * width + output]));
    }
}

SELDOM void network_distances(Network *network, const double *distances, u32 points) {
    u32 count = network->alike_count;
    for (u32 each = 0; each < count; each++) {
        float *sines = network->waves + (u64)each * POINTS_ROOM, *cosines = sines + (u64)count * POINTS_ROOM;
        for (u32 point = 0; point < points; point++) {
            Turn turn = quick_turn(network->sizes[each] * distances[point] / network->period);
            sines[point] = (float)turn.sine;
            cosines[point] = (float)turn.cosine;
        }
    }
}

ONCE void network_points(Network *network, const double *coordinates, u32 points, int slopes) {
    /* Adding it rounds to an integer. */
    const double round = 6755399441055744.0;
    u32 axes = network->description->axes, count = network->frequency_count;
    for (u32 each = 0; each < count; each++) {
        const i32 *frequency = network->frequencies + (u64)each * axes;
        double phase = network->phases ? (double)network->phases[each] * (0.5 * HALF_TURNS) : 0.0;
        float *row = network->waves + (u64)each * POINTS_ROOM;
        for (u32 point = 0; point < points; point++) {
            double turns = 0.0;
            for (u32 axis = 0; axis < axes; axis++) turns += (double)frequency[axis] * coordinates[(u64)point * axes + axis];
            turns = turns / network->period + phase;
            row[point] = (float)(2.0 * (turns - ((turns + round) - round)));
        }
        for (u32 point = 0; point < points; point += LANES) {
            f32x4 halves = load4(row + point), sine = sine4(halves), cosine = sine;
            if (slopes || !network->is_sines) cosine = cosine4(halves);
            store4(row + point, sine);
            if (!network->is_sines) store4(row + (u64)count * POINTS_ROOM + point, cosine);
            for (u32 axis = 0; slopes && axis < axes; axis++) {
                f32x4 speed = all4((float)((double)frequency[axis] * (2.0 / HALF_TURNS) / network->period));
                float *slope = network->slopes[axis][0] + (u64)(network->inputs + each) * POINTS_ROOM + point;
                store4(slope, speed * cosine);
                if (!network->is_sines) store4(slope + (u64)count * POINTS_ROOM, all4(0.0f) - speed * sine);
            }
        }
    }
}

enum { PLAIN, SINES, UNBIASED };

/* Four outputs and eight points at a time, which fit the registers. */
static inline __attribute__((always_inline)) void layer_sum(const Layer *layer, const float *rows, u32 points, float *out, int kind) {
    const float *weights = layer->weights;
    for (u32 output = 0; output < layer->outputs; output += 4, weights += (u64)layer->inputs * 4 * LANES)
        for (u32 point = 0; point < points; point += 2 * LANES) {
            f32x4 a0 = {0}, b0 = {0}, c0 = {0}, d0 = {0};
            if (kind != UNBIASED) {
                a0 = all4(layer->bias[output]), b0 = all4(layer->bias[output + 1]);
                c0 = all4(layer->bias[output + 2]), d0 = all4(layer->bias[output + 3]);
            }
            f32x4 a1 = a0, b1 = b0, c1 = c0, d1 = d0;
            const float *weight = weights, *row = rows + point;
#pragma clang loop unroll(disable)
            for (u32 input = 0; input < layer->inputs; input++, weight += 4 * LANES, row += POINTS_ROOM) {
                f32x4 one = load4(row), two = load4(row + LANES);
                f32x4 a = load4(weight), b = load4(weight + LANES), c = load4(weight + 2 * LANES), d = load4(weight + 3 * LANES);
                a0 += a * one, b0 += b * one, c0 += c * one, d0 += d * one;
                a1 += a * two, b1 += b * two, c1 += c * two, d1 += d * two;
            }
            if (kind == SINES) {
                a0 = sine4(a0), b0 = sine4(b0), c0 = sine4(c0), d0 = sine4(d0);
                a1 = sine4(a1), b1 = sine4(b1), c1 = sine4(c1), d1 = sine4(d1);
            }
            float *to = out + (u64)output * POINTS_ROOM + point;
            store4(to, a0), store4(to + LANES, a1);
            store4(to + POINTS_ROOM, b0), store4(to + POINTS_ROOM + LANES, b1);
            store4(to + 2 * POINTS_ROOM, c0), store4(to + 2 * POINTS_ROOM + LANES, c1);
            store4(to + 3 * POINTS_ROOM, d0), store4(to + 3 * POINTS_ROOM + LANES, d1);
        }
}

ONCE static void layer_plain(const Layer *layer, const float *rows, u32 points, float *out) { layer_sum(layer, rows, points, out, PLAIN); }
ONCE static void layer_sines(const Layer *layer, const float *rows, u32 points, float *out) { layer_sum(layer, rows, points, out, SINES); }
ONCE static void layer_unbiased(const Layer *layer, const float *rows, u32 points, float *out) { layer_sum(layer, rows, points, out, UNBIASED); }

/* The readout of a layer and of the fields of the first colour, which lie among the inputs. */
ONCE static void readout(Network *network, float *hidden, const float *inputs, u32 points, int is_slope) {
    const Layer *layer = network->layers + network->layer_count;
    float *fields = hidden + (u64)(layer->inputs - network->fields) * POINTS_ROOM;
    for (u32 field = 0; field < network->fields; field++, fields += POINTS_ROOM)
        for (u32 point = 0; point < points; point += LANES)
            store4(fields + point, load4(inputs + (u64)field * POINTS_ROOM + point));
    if (is_slope)
        layer_unbiased(layer, hidden, points, network->values);
    else
        layer_plain(layer, hidden, points, network->values);
}

ONCE void network_values(Network *network, u32 points) {
    const float *rows = network->inputs_room;
    u32 turn = 0;
    for (u32 layer = 0; layer < network->layer_count; layer++, turn = !turn) {
        layer_sines(network->layers + layer, rows, points, network->hidden[turn]);
        rows = network->hidden[turn];
    }
    readout(network, network->hidden[!turn], network->inputs_room, points, 0);
}

SELDOM int network_take_slopes(Network *network) {
    for (u32 axis = 0; axis < network->description->axes; axis++)
        for (u32 each = 0; each < 3; each++) {
            u64 inputs = (u64)network->layers[0].inputs * POINTS_ROOM * sizeof(float);
            network->slopes[axis][each] = memory_take(each ? network->room : inputs);
            if (!network->slopes[axis][each]) return 0;
        }
    return 1;
}

ONCE void network_slopes(Network *network, u32 points) {
    u32 axes = network->description->axes;
    for (u32 number = 0; number < network->layer_count; number++) {
        const Layer *layer = network->layers + number;
        u32 turn = number & 1, from = number ? 1 + !turn : 0;
        float *hidden = network->hidden[turn];
        layer_plain(layer, number ? network->hidden[!turn] : network->inputs_room, points, hidden);
        for (u32 axis = 0; axis < axes; axis++)
            layer_unbiased(layer, network->slopes[axis][from], points, network->slopes[axis][1 + turn]);
        for (u32 output = 0; output < layer->outputs; output++)
            for (u32 point = 0; point < points; point += LANES) {
                u64 at = (u64)output * POINTS_ROOM + point;
                f32x4 halves = load4(hidden + at), speed = all4((float)(1.0 / HALF_TURNS)) * cosine4(halves);
                for (u32 axis = 0; axis < axes; axis++) {
                    float *slope = network->slopes[axis][1 + turn] + at;
                    store4(slope, speed * load4(slope));
                }
                store4(hidden + at, sine4(halves));
            }
    }
}

SELDOM void network_slope(Network *network, u32 axis, u32 points) {
    float **slopes = network->slopes[axis];
    readout(network, slopes[1 + ((network->layer_count - 1) & 1)], slopes[0], points, 1);
}
