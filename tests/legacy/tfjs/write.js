// Writes models of TensorFlow.js itself into a folder, each with an input and what it returns for it:
//   npm install @tensorflow/tfjs@4.22.0 && node write.js FOLDER
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');

const L = tf.layers;

function backbone() { // as MobileNetV2 is in what Teachable Machine exports
  const image = tf.input({shape: [16, 16, 3], name: 'image'});
  let x = L.zeroPadding2d({padding: [[0, 1], [0, 1]], name: 'Conv1_pad'}).apply(image);
  x = L.conv2d({filters: 8, kernelSize: 3, strides: 2, useBias: false, name: 'Conv1'}).apply(x);
  x = L.batchNormalization({epsilon: 0.001, name: 'bn_Conv1'}).apply(x);
  x = L.reLU({maxValue: 6, name: 'Conv1_relu'}).apply(x);
  const y = L.depthwiseConv2d({kernelSize: 3, padding: 'same', useBias: false, name: 'depthwise'}).apply(x);
  const z = L.separableConv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'elu', name: 'separable'}).apply(x);
  x = L.add({name: 'sum'}).apply([y, z]);
  x = L.concatenate({name: 'both'}).apply([x, L.leakyReLU({alpha: 0.2, name: 'leaky'}).apply(y)]);
  return tf.model({inputs: image, outputs: x, name: 'model1'});
}

function teachable() {
  const features = tf.sequential({name: 'sequential_1'});
  features.add(backbone());
  features.add(L.globalAveragePooling2d({name: 'pool'}));
  const head = tf.sequential({name: 'sequential_3'});
  head.add(L.dense({units: 10, activation: 'relu', kernelInitializer: 'varianceScaling', inputShape: [16], name: 'dense_Dense1'}));
  head.add(L.dense({units: 3, activation: 'softmax', useBias: false, name: 'dense_Dense2'}));
  const whole = tf.sequential({name: 'sequential_4'});
  whole.add(features);
  whole.add(head);
  return whole;
}

function recurrent() { // names that TensorFlow.js makes up itself
  const model = tf.sequential();
  model.add(L.conv2d({filters: 4, kernelSize: 3, padding: 'same', activation: 'hardSigmoid', inputShape: [8, 8, 1]}));
  model.add(L.conv2dTranspose({filters: 4, kernelSize: 2, strides: 2, padding: 'same', activation: 'tanh'}));
  model.add(L.maxPooling2d({poolSize: 2}));
  model.add(L.upSampling2d({size: [1, 2]}));
  model.add(L.reshape({targetShape: [8, 64]}));
  model.add(L.bidirectional({layer: L.lstm({units: 5, returnSequences: true}), mergeMode: 'concat'}));
  model.add(L.gru({units: 6, resetAfter: false}));
  model.add(L.layerNormalization());
  model.add(L.dropout({rate: 0.5}));
  model.add(L.dense({units: 2, activation: 'sigmoid'}));
  return model;
}

async function write(folder, model, shape) {
  fs.mkdirSync(folder, {recursive: true});
  for (const layer of model.layers) randomize(layer);
  const inputs = tf.randomUniform([2, ...shape], 0, 1, 'float32', 7);
  const values = {inputs: await inputs.array(), outputs: await model.predict(inputs).array()};
  await model.save(tf.io.withSaveHandler(async (artifacts) => {
    const data = artifacts.weightData;
    fs.writeFileSync(path.join(folder, 'weights.bin'), Buffer.from(Array.isArray(data) ? await new Blob(data).arrayBuffer() : data));
    fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify({
      modelTopology: artifacts.modelTopology,
      format: artifacts.format, generatedBy: artifacts.generatedBy, convertedBy: null,
      weightsManifest: [{paths: ['./weights.bin'], weights: artifacts.weightSpecs}],
    }));
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }));
  fs.writeFileSync(path.join(folder, 'values.json'), JSON.stringify(values));
}

function randomize(layer) { // so that no bias is zero and no statistic one
  layer.setWeights(layer.getWeights().map((w, i) => tf.randomUniform(w.shape, 0.05, 0.5, 'float32', 31 + i).sub(
      w.rank > 1 ? 0.25 : 0)));
}

(async () => {
  await write(path.join(process.argv[2], 'teachable'), teachable(), [16, 16, 3]);
  fs.writeFileSync(path.join(process.argv[2], 'teachable', 'metadata.json'), JSON.stringify({
    tfjsVersion: '4.22.0', modelName: 'tm-my-image-model', labels: ['cat', 'dog', 'bird'], imageSize: 16}));
  await write(path.join(process.argv[2], 'recurrent'), recurrent(), [8, 8, 1]);
})();
