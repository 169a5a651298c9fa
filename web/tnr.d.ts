/** Types of tnr.js, element.js and images.js. */
export type Kind = "image" | "audio" | "volume" | "video" | "sdf" | "array";
export type SampleFormat = "u8" | "u16" | "s8" | "s16" | "s24" | "u32" | "s32" | "u64" | "s64" | "f32" | "f64" | "f16";
export type Code =
  | "not_a_representation" | "unsupported_version" | "corrupt_file" | "limit_exceeded" | "config_error"
  | "unsupported" | "too_short" | "fetch_failed" | "closed" | "internal";

/** What the reader is ready to spend, by the names of `DecodeLimits` in Python; `memory` is that of the core, in bytes. */
export interface Limits {
  file_bytes: number; chunks: number; chunk_bytes: number; weights: number; axes: number;
  samples: number; channels: number; values: number; work: number; memory: number;
}

export interface Info {
  kind: Kind;
  /** Samples along each axis, in the order of the format: height before width. */
  shape: number[];
  channels: number;
  sampleFormat: SampleFormat;
  network: "sines" | "wavelets";
  /** How many bytes have been read. */
  bytes: number;
  /** Number of finest levels of detail that have not been read. */
  missing: number;
  /** Length of the period of the frequencies in coordinates, of which the signal takes 2. */
  period: number;
  scaling: { scale: number; offset: number } | null;
  details: Record<string, unknown> | null;
  report: Record<string, unknown>;
  profile: Uint8Array | null;
  places: { missing: number; end: number }[];
  /** How a signal is cut, if its file is in tiles; `bytes` then grows as tiles are read. */
  tiles?: TilesOfFile;
}

export interface TilesOfFile {
  /** Samples from the beginning of a tile to that of the next one, those that neighbours share, and tiles, along each axis. */
  strides: number[];
  overlaps: number[];
  counts: number[];
  /** Bytes of each tile, and where they begin in the file; tiles are numbered row by row. */
  lengths: number[];
  starts: number[];
  /** Where the chunks behind the tiles begin, 0 if there are none. */
  tail: number;
}

export interface PixelOptions {
  /** From and to along each axis, in samples of the signal. */
  region?: [number, number][];
  /** Samples that are wanted for a sample of the signal. */
  scale?: number;
  /** Samples that are wanted along each axis, instead of a scale. */
  shape?: number[];
  /** One value for so many samples along each axis, that in their middle; quick, and beside no region, scale or shape. */
  every?: number;
  /** Number of finest levels to leave out: one of `Info.places`. */
  missing?: number;
  as?: "values" | "samples" | "rgba";
  /**
   * Of a picture in tiles, with a shape and as "rgba": no more detail than the shape shows, unblended, and of very many
   * tiles only some. To look at, quickly.
   */
  quick?: boolean;
  /** Ends the wait, and the fetching of tiles that nobody else waits for. */
  signal?: AbortSignal;
}

/** As a file of the kind has them: integers of the format, 64-bit ones as doubles. */
export type Samples = Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array;

export interface Pixels<Data = Float32Array> {
  shape: number[];
  channels: number;
  /** Number of finest levels that they lack. */
  missing: number;
  /** The channels of a sample one after the other; four of "rgba", whatever the channels. */
  data: Data;
}

export interface OpenOptions {
  limits?: Partial<Limits>;
  /** Read only as much of an address as shows a signal that lacks so many levels, or fewer. */
  missing?: number;
  onLevel?: (info: Info) => void;
  signal?: AbortSignal;
  /**
   * Whether the page may read the first file and make frames of all of it that name `every`, of at most 16 KiB and, where
   * `every` is 1, of half a million samples: sooner, and in its own time, a tenth of a second. The whole one waits until
   * the page has been drawn, and the worker, which takes over what has been decoded, until both are done.
   */
  onPage?: boolean;
  /** How `fetch` takes an address: from a cache, or not. */
  cache?: RequestCache;
}

export interface Network {
  /** Whole numbers of cycles along each axis in `Info.period`. */
  frequencies: number[][];
  /** Tensor by tensor in the order of the file, of sines with their phases first. */
  weights: Float32Array[];
  /** Level by level from coarse to fine, colour by colour, subband by subband; none of a network of sines. */
  latents: Int32Array;
  /** Nodes along each axis, and how many subbands, of each level. */
  levels: { nodes: number[]; subbands: number }[];
}

export declare class TnrError extends Error {
  readonly code: Code;
  /** How many bytes suffice, where too few were there. */
  readonly needed?: number;
}

export declare class TnrFile {
  readonly info: Info;
  /** Fulfilled when all that was asked for has been read. */
  readonly whole: Promise<void>;
  pixels(options: PixelOptions & { as: "rgba" }): Promise<Pixels<Uint8ClampedArray<ArrayBuffer>>>;
  pixels(options: PixelOptions & { as: "samples" }): Promise<Pixels<Samples>>;
  pixels(options?: PixelOptions & { as?: "values" }): Promise<Pixels<Float32Array>>;
  /** Values at points, whose coordinates, from -1 to 1 along each axis, stand one point after the other. */
  at(points: Float32Array): Promise<Float32Array>;
  /** For each point, for each channel, the derivatives along each axis, per unit of the coordinates. */
  gradient(points: Float32Array): Promise<Float32Array>;
  /** Numbers that the file stands for. */
  network(tile?: number): Promise<Network>;
  close(): void;
}

export declare function open(source: string | URL | Uint8Array | ArrayBuffer | Blob, options?: OpenOptions): Promise<TnrFile>;
/** `worker` is an address, or starts a worker itself; `isModule` says what lies at the address. */
export declare function configure(changed: { core?: string | URL | Uint8Array | WebAssembly.Module; worker?: string | URL | (() => Worker); isModule?: boolean }): void;
