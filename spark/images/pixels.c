/* The arithmetic of resize.py and decoding.py that is worth machine code. Sums of integers, so that every
   processor gets Pillow's bytes. No function checks its arguments: Python does. */

#include <stdint.h>
#include <string.h>

/* Pillow's fractional bits: 32, less 8 of a value and 2 for sums beyond black and white. */
#define BITS 22
#define HALF (1 << (BITS - 1))
/* Values of a row that are summed at once, in registers. Divides 3 * side for each side of the network. */
#define BLOCK 32
/* Weights of a value of a picture that does not shrink: loops of so many are unrolled. */
#define FEW 4
#define INLINED static inline __attribute__((always_inline))

/* Of two rows one pixel each, in four values, the last of which is nothing. */
typedef uint8_t bytes __attribute__((vector_size(8)));
typedef int32_t pair __attribute__((vector_size(32), aligned(4)));

/* Two rows of uint8 [width, 3] become [side, 3]; one byte more of each is written. */
INLINED void widened(const uint8_t *row, const uint8_t *other, int32_t width, int32_t side, const int32_t *first,
                     const int32_t *weights, int32_t taps, uint8_t *out, uint8_t *other_out)
{
    pair wide[width + taps];
    for (int32_t x = 0; x < width; x++)
        wide[x] = (pair){row[3 * x],   row[3 * x + 1],   row[3 * x + 2],   0,
                           other[3 * x], other[3 * x + 1], other[3 * x + 2], 0};
    for (int32_t x = width; x < width + taps; x++)
        wide[x] = wide[width - 1]; /* its weight is 0 */
    for (int32_t x = 0; x < side; x++) {
        pair sum = {HALF, HALF, HALF, 0, HALF, HALF, HALF, 0};
        for (int32_t k = 0; k < taps; k++)
            sum += wide[first[x] + k] * weights[x * taps + k];
        sum >>= BITS;
        sum &= ~(sum >> 31);
        pair over = sum > 255;
        bytes cut = __builtin_convertvector((sum & ~over) | (over & 255), bytes);
        memcpy(out + 3 * x, &cut, sizeof cut / 2);
        memcpy(other_out + 3 * x, (const uint8_t *)&cut + sizeof cut / 2, sizeof cut / 2);
    }
}

/* uint8 [height, length], rows of which begin `stride` apart, becomes [side, length]. */
INLINED void heightened(const uint8_t *rows, int32_t height, int32_t length, int32_t stride, int32_t side,
                        const int32_t *first, const int32_t *weights, int32_t taps, uint8_t *out)
{
    for (int32_t y = 0; y < side; y++)
        for (int32_t start = 0; start < length; start += BLOCK) {
            int32_t sums[BLOCK];
            for (int32_t x = 0; x < BLOCK; x++)
                sums[x] = HALF;
            for (int32_t k = 0; k < taps; k++) {
                int32_t weight = weights[y * taps + k], place = first[y] + k;
                const uint8_t *row = rows + (place < height ? place : height - 1) * stride + start;
                for (int32_t x = 0; x < BLOCK; x++)
                    sums[x] += row[x] * weight;
            }
            for (int32_t x = 0; x < BLOCK; x++) {
                int32_t value = sums[x] >> BITS;
                out[y * length + start + x] = value < 0 ? 0 : value > 255 ? 255 : value;
            }
        }
}

/* uint8 [height, width, 3] becomes [side, side, 3]. `first` and `weights` [side, taps]: see resize.py. */
void stretch(const uint8_t *picture, int32_t height, int32_t width, int32_t side, const int32_t *first_x,
             const int32_t *weights_x, int32_t taps_x, const int32_t *first_y, const int32_t *weights_y,
             int32_t taps_y, uint8_t *out)
{
    int32_t length = 3 * side, stride = length + 1;
    uint8_t rows[height * stride];
    for (int32_t y = 0; y < height; y += 2) {
        int32_t other = y + 1 < height ? y + 1 : y;
        const uint8_t *row = picture + 3 * width * y, *next = picture + 3 * width * other;
        if (taps_x == FEW)
            widened(row, next, width, side, first_x, weights_x, FEW, rows + stride * y, rows + stride * other);
        else
            widened(row, next, width, side, first_x, weights_x, taps_x, rows + stride * y, rows + stride * other);
    }
    if (taps_y == FEW)
        heightened(rows, height, length, stride, side, first_y, weights_y, FEW, out);
    else
        heightened(rows, height, length, stride, side, first_y, weights_y, taps_y, out);
}

/* What the network takes of so many values. */
void scale(const uint8_t *pixels, int32_t values, float *out)
{
    for (int32_t i = 0; i < values; i++)
        out[i] = pixels[i] / 127.5f - 1.0f;
}
