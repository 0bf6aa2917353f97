// One high tone and a short buzz for yes, two low ones and a long buzz for no.
let audio;

// wake is called in a click: browsers let no page sound before one.
export function wake() {
  audio ||= 'AudioContext' in window ? new AudioContext() : undefined;
  audio?.resume();
}

export function sounds(sign) {
  navigator.vibrate?.(sign === '✓' ? 80 : [250, 100, 250]);
  if (sign === '✓') tone(1320, 0, 0.15);
  else for (const after of [0, 0.28]) tone(196, after, 0.22, 'square');
}

function tone(pitch, after, length, shape = 'sine') {
  if (!audio) return;
  const source = audio.createOscillator();
  const gain = audio.createGain();
  const at = audio.currentTime + after;
  source.type = shape;
  source.frequency.value = pitch;
  gain.gain.setValueAtTime(0.25, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + length);
  source.connect(gain).connect(audio.destination);
  source.start(at);
  source.stop(at + length);
}
