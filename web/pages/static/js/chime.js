// The sound and the notification for the fan's turn. Browsers allow both only
// after a click, and the waiting page loads this only then.
let audio;

// ask switches the sound on and asks for notifications; it tells in words
// what the fan got.
export async function ask() {
  audio ||= new AudioContext();
  await audio.resume();
  note(880, 0, 0.04);
  const may = 'Notification' in window ? await Notification.requestPermission() : 'denied';
  return may === 'granted' ? 'You will hear a sound and see a notification.' : 'You will hear a sound. Keep this tab open.';
}

export function ring(title, body) {
  for (let i = 0; i < 4; i++) {
    note(659, i * 1.2, 0.25);
    note(880, i * 1.2 + 0.25, 0.25);
  }
  navigator.vibrate?.([300, 150, 300]);
  try {
    new Notification(title, { body, tag: 'ropeline-turn', requireInteraction: true }).onclick = () => window.focus();
  } catch {
    // Not granted, or a phone that allows it only from a service worker.
  }
}

function note(pitch, after, volume) {
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  const at = audio.currentTime + after;
  tone.frequency.value = pitch;
  gain.gain.setValueAtTime(volume, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + 0.6);
  tone.connect(gain).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 0.6);
}
