// The Remotion project of the bench: one composition that plays a Lottie animation.
import { Lottie } from '@remotion/lottie';
import { Composition, continueRender, delayRender, registerRoot } from 'remotion';
import order from './order.json';

const fonts = delayRender('fonts');
Promise.all(
  order.fonts.map(async ({ family, weight, data }) => {
    document.fonts.add(await new FontFace(family, `url(${data})`, { weight }).load());
  }),
).then(() => continueRender(fonts));

const Video = () => (
  <Lottie animationData={order.animation} style={{ width: '100%', height: '100%' }} />
);

registerRoot(() => (
  <Composition
    id="video"
    component={Video}
    width={order.width}
    height={order.height}
    fps={order.fps}
    durationInFrames={order.frames}
  />
));
