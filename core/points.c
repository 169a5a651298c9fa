#include "points.h"

#include "memory.h"
#include "vector.h"

typedef struct {
    Tap here, moved[STEPS];
} Place;

static Network network;
static const Splines *splines;
static const double *coordinates;
static u32 done, total;
static int derivatives;
static Place *places, *slopes; /* by point and axis of the signal; of derivatives along an axis */
static u32 along;              /* axis of the derivative that is being made, MOST_AXES: of none */
static float *values;

SELDOM u64 points_work(const Network *outline, const Splines *through, u32 count, int slopes_too) {
    u32 axes = outline->description->axes;
    u64 each = outline->products;
    if (through) each += ((u64)through->count + offset_count(axes)) << 2 * axes;
    return at_most_work(at_most_work(each, slopes_too ? 1 + axes : 1), count);
}

SELDOM i32 points_begin(const Description *d, const Splines *through, const u32 *words, u32 word_count, Outputs outputs,
                 const double *given, u32 count, int slopes_too) {
    total = done = 0;
    splines = through;
    coordinates = given;
    derivatives = slopes_too;
    i32 answer = network_make(&network, d, words, word_count, WAVES_OF_POINTS, outputs);
    if (answer) return answer;
    if (derivatives && !network_take_slopes(&network)) return CORE_NO_MEMORY;
    if (splines) {
        places = memory_take((u64)POINTS * d->axes * sizeof(Place));
        slopes = memory_take((u64)POINTS * d->axes * sizeof(Place));
        if (!places || !slopes) return CORE_NO_MEMORY;
    }
    values = memory_take((u64)POINTS * network.channels * (derivatives ? d->axes : 1) * sizeof(float));
    if (!values) return CORE_NO_MEMORY;
    total = count;
    return CORE_FINE;
}

SELDOM static void places_make(const double *at, u32 points) {
    u32 axes = splines->axes;
    for (u32 each = 0; each < points * axes; each++) {
        u32 samples = splines->sizes[splines->absent + each % axes];
        places[each].here = spline_tap(at[each], samples, 0);
        if (derivatives) slopes[each].here = spline_tap(at[each], samples, 1);
        for (u32 step = 0; step < STEPS; step++) {
            int follows;
            double moved = moved_position(at[each], samples, (i32)step - 1, &follows);
            places[each].moved[step] = spline_tap(moved, samples, 0);
            if (!derivatives) continue;
            slopes[each].moved[step] = spline_tap(moved, samples, 1);
            for (u32 tap = 0; tap < TAPS; tap++) slopes[each].moved[step].weights[tap] *= (float)follows;
        }
    }
}

/* A spline at points some samples from those of the places, or its derivative; `steps` is 0 for the points themselves. */
ONCE static void read_places(const float *nodes, const i32 *steps, u32 points, float *row) {
    static const Tap absent = {.count = 1, .weights = {1.0f}};
    u32 axes = splines->axes;
    for (u32 point = 0; point < points; point++) {
        const Tap *taps[MOST_AXES];
        for (u32 axis = 0; axis < MOST_AXES; axis++) {
            if (axis < splines->absent) {
                taps[axis] = &absent;
                continue;
            }
            const Place *place = (axis == along ? slopes : places) + (u64)point * axes + axis - splines->absent;
            taps[axis] = steps ? &place->moved[steps[axis] + 1] : &place->here;
        }
        row[point] = spline_at(splines, nodes, taps);
    }
}

static void seen(const i32 *steps, u32 points, float *row) { read_places(splines->brightness, steps, points, row); }

SELDOM static void inputs_fill(u32 points, float *inputs) {
    for (u32 sum = 0; sum < splines->read; sum++, inputs += POINTS_ROOM) read_places(splines->sums[sum].rows, 0, points, inputs);
    differences_fill(seen, splines->axes, points, inputs);
}

/* What the readout gives, and what the skip adds of other colours. */
SELDOM static void put(u32 points, float *to, u32 stride) {
    float *more = network.hidden[0];
    for (u32 channel = 0; channel < network.channels; channel++) {
        const float *from = network.values + (u64)channel * POINTS_ROOM;
        int adds = splines && splines->count > splines->read;
        if (adds) read_places(splines->sums[splines->read + channel].rows, 0, points, more);
        for (u32 point = 0; point < points; point++)
            to[((u64)point * network.channels + channel) * stride] = adds ? from[point] + more[point] : from[point];
    }
}

SELDOM u32 points_next(void) {
    u32 points = total - done < POINTS ? total - done : POINTS, padded = (points + 7) & ~7u, axes = network.description->axes;
    if (!points) return 0;
    const double *at = coordinates + (u64)done * axes;
    along = MOST_AXES;
    network_points(&network, at, points, derivatives);
    if (splines) {
        places_make(at, points);
        inputs_fill(points, network.inputs_room);
    }
    if (derivatives) {
        u32 absent = MOST_AXES - axes;
        for (u32 axis = 0; splines && axis < axes; axis++) {
            along = absent + axis;
            inputs_fill(points, network.slopes[axis][0]);
        }
        network_slopes(&network, padded);
        for (u32 axis = 0; axis < axes; axis++) {
            along = absent + axis;
            network_slope(&network, axis, padded);
            put(points, values + axis, axes);
        }
    } else {
        network_values(&network, padded);
        put(points, values, 1);
    }
    done += points;
    return points;
}

const float *points_values(void) { return values; }
