/** The part of signature_pad 5.1.4 that we use. */
export interface Point {
  x: number;
  y: number;
  pressure: number;
  /** Milliseconds since 1970. */
  time: number;
}

export interface PointGroup {
  points: Point[];
}

export default class SignaturePad extends EventTarget {
  constructor(canvas: HTMLCanvasElement, options?: {
    minWidth?: number;
    maxWidth?: number;
    penColor?: string;
    throttle?: number;
    minDistance?: number;
  });
  clear(): void;
  isEmpty(): boolean;
  off(): void;
  on(): void;
  toData(): PointGroup[];
  fromData(data: PointGroup[], options?: { clear?: boolean }): void;
}
