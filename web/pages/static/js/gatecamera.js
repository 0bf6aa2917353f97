// Reads QR codes from the camera: by the browser's own BarcodeDetector where it
// has one, and otherwise by the decoder in vendor/qr, loaded only then.
const every = 120; // ms between two looks
const widest = 800; // pixels that the decoder looks at
const linger = 3000; // ms: the same ticket, still in the picture, is not another scan

async function reader() {
  try {
    if ('BarcodeDetector' in window && (await BarcodeDetector.getSupportedFormats()).includes('qr_code')) {
      const detector = new BarcodeDetector({ formats: ['qr_code'] });
      return async (video) => (await detector.detect(video))[0]?.rawValue;
    }
  } catch {
    // Some browsers name it and cannot do it.
  }
  const { decodeQR } = await import('./vendor/qr/decode.js');
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return async (video) => {
    const scale = Math.min(1, widest / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    try {
      return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
    } catch {
      return undefined; // no code in the picture
    }
  };
}

// start shows the camera in a video element and tells found(text) what it
// reads, as long as ready() says so. It returns {stop, torch}; torch is absent
// where there is no light to switch on.
export async function start(video, ready, found) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } },
  });
  video.srcObject = stream;
  await video.play();
  const read = await reader();
  const [track] = stream.getVideoTracks();
  let going = true;
  let lock;
  let last;
  let lastAt = 0;
  navigator.wakeLock?.request('screen').then((got) => (lock = got), () => {});
  (async () => {
    while (going) {
      if (ready() && video.videoWidth > 0) {
        const text = await read(video).catch(() => undefined);
        if (text && going) {
          if (text !== last || performance.now() - lastAt > linger) await found((last = text));
          lastAt = performance.now();
        }
      }
      await new Promise((next) => setTimeout(next, every));
    }
  })();
  return {
    stop() {
      going = false;
      track.stop();
      lock?.release();
      video.srcObject = null;
    },
    torch: track.getCapabilities?.().torch ? (on) => track.applyConstraints({ advanced: [{ torch: on }] }) : undefined,
  };
}
