// Samples of the microphone as a WAV, at their own rate and level: browsers' own recorders compress.

const AS_RECORDED = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export async function record(heard) {
  if (!navigator.mediaDevices) {
    throw new Error("browsers give the microphone only to https and to 127.0.0.1; open the page there, or drop a file");
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: AS_RECORDED }).catch((error) => {
    throw new Error(`no microphone (${error.message}); allow it in the browser, or drop a file`);
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule("capture.js");
  const capture = new AudioWorkletNode(context, "capture");
  const chunks = [];
  let count = 0;
  capture.port.onmessage = ({ data }) => {
    chunks.push(toIntegers(data));
    count += data.length;
    heard(count / context.sampleRate, decibels(data));
  };
  context.createMediaStreamSource(stream).connect(capture).connect(context.destination);
  return {
    async stop() {
      stream.getTracks().forEach((track) => track.stop());
      await context.close();
      return new Blob([header(count, context.sampleRate), ...chunks], { type: "audio/wav" });
    },
  };
}

function toIntegers(samples) {
  return Int16Array.from(samples, (x) => Math.round(Math.max(-1, Math.min(1, x)) * 32767));
}

function decibels(samples) {
  return 10 * Math.log10(samples.reduce((sum, x) => sum + x * x, 1e-12) / samples.length);
}

function header(count, rate) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * count, true);
  return view.buffer;
}
